"""The catalogue agrees with itself and with the published model lists."""

import pytest

from swinkit.backbone.variants import VARIANTS
from swinkit.detection.architectures import DETECTORS
from swinkit.segmentation.architectures import SEGMENTORS
from swinkit.weights.catalogue import CATALOGUE, PublishedWeights


def test_keys_are_the_names_of_the_files() -> None:
    assert all(entry.url.endswith(f"/{name}.pth") for name, entry in CATALOGUE.items())
    assert len({entry.url for entry in CATALOGUE.values()}) == len(CATALOGUE) == 40


@pytest.mark.parametrize(
    ("name", "url", "top1"),
    [
        ("swin_tiny_patch4_window7_224", "v1.0.0/swin_tiny_patch4_window7_224.pth", 81.2),
        ("swin_large_patch4_window12_384_22kto1k", "v1.0.0/swin_large_patch4_window12_384_22kto1k.pth", 87.3),
        (
            "swin_small_patch4_window7_224_22kto1k_finetune",
            "v1.0.8/swin_small_patch4_window7_224_22kto1k_finetune.pth",
            83.2,
        ),
        ("cascade_mask_rcnn_swin_base_patch4_window7", "v1.0.2/cascade_mask_rcnn_swin_base_patch4_window7.pth", None),
        ("upernet_swin_tiny_patch4_window7_512x512", "v1.0.1/upernet_swin_tiny_patch4_window7_512x512.pth", None),
    ],
)
def test_some_official_files(name: str, url: str, top1: float | None) -> None:
    entry = CATALOGUE[name]
    assert entry.url == f"https://github.com/SwinTransformer/storage/releases/download/{url}"
    assert entry.top1 == top1


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_an_entry_agrees_with_its_name(entry: PublishedWeights) -> None:
    size = {"tiny": "swin_t", "small": "swin_s", "base": "swin_b", "large": "swin_l"}
    in_name = [variant for word, variant in size.items() if f"_{word}_" in entry.name]
    assert entry.variant.removesuffix("_c24") == (in_name[0] if in_name else entry.name.split("-")[0])
    assert entry.variant.removesuffix("_c24") in VARIANTS
    if "window" in entry.name:
        assert f"window{entry.window}" in entry.name
    assert (
        entry.classes
        == {
            "classification": 21841 if entry.name.endswith("_22k") else 1000,
            "backbone": 0,
            "detection": 80,
            "segmentation": 150,
        }[entry.task]
    )
    assert (entry.sha256_prefix is not None) == ("-" in entry.name)
    assert entry.sha256_prefix is None or entry.name.endswith(entry.sha256_prefix)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_what_nothing_can_open_is_not_listed(entry: PublishedWeights) -> None:
    """Every architecture has a model, and every model's weights are known by what they are."""
    models = {"classification": {"swin"}, "backbone": {"swin"}, "detection": DETECTORS, "segmentation": SEGMENTORS}
    assert entry.architecture in models[entry.task]


def test_preprocessing_follows_the_published_rules() -> None:
    at_224 = CATALOGUE["swin_tiny_patch4_window7_224"].preprocessing
    assert (at_224.resize, at_224.crop, at_224.interpolation) == (256, 224, "bicubic")
    at_384 = CATALOGUE["swin_base_patch4_window12_384"].preprocessing
    assert (at_384.resize, at_384.crop, at_384.keep_ratio) == ((384, 384), None, False)
    assert CATALOGUE["swin_tiny_c24_patch4_window8_256"].preprocessing.resize == 292
    assert [
        CATALOGUE[name].preprocessing.resize for name in ("swin_t-704ceda3", "swin_s-5e29d889", "swin_b-68c6b09e")
    ] == [
        232,
        246,
        238,
    ]
