"""Segmentors from swinkit's own files and from official ones, and what they give for images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from shared_files import shared_path
from small_segmentation import CPU, opened, picture, small_model

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.backbone.timm import TimmConfig, TimmFeatures
from swinkit.errors import InputError
from swinkit.segmentation.architectures import describe_segmentor
from swinkit.segmentation.data.folders import open_validation_split, read_classes
from swinkit.segmentation.evaluation import EvaluationImages
from swinkit.segmentation.inference import InferenceSettings, predict_classes
from swinkit.segmentation.model import UperNet, UperNetConfig
from swinkit.segmentation.predictor import Segmentor
from swinkit.structures import Views
from swinkit.training.processes import Processes
from swinkit.weights.model_file import write_description
from swinkit.weights.save import save_weights

NAME = "upernet_swin_tiny_patch4_window7_512x512"
SHOWN = InferenceSettings(resize=(48, 96), scales=(1.0, 0.5), flip=True, crop=(32, 32), stride=(16, 16))
OFFICIAL = SwinConfig(embed_dim=32, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8), window_size=7)
CLASSES = ("sky", "road", "猫")


def saved(path: Path, model: UperNet, shown: InferenceSettings = SHOWN, **changed: Any) -> Path:
    description = describe_segmentor(model, CLASSES, shown) | changed
    return save_weights(path, model.state_dict(), write_description(description))


def noise(*size: int) -> Image.Image:
    return Image.effect_noise(size, 90).convert("RGB")


@pytest.fixture
def small(tmp_path: Path) -> Segmentor:
    return opened(saved(tmp_path / "small.safetensors", small_model()))


def test_own_file_needs_nothing_else(tmp_path: Path) -> None:
    model = small_model()
    path = saved(tmp_path / "best.safetensors", model)
    for source in (path, str(path), tmp_path):
        segmentor = opened(source)
        assert segmentor.classes == CLASSES and segmentor.preprocessing == SHOWN
        assert not segmentor.model.training and segmentor.model.config == model.config
        for name, tensor in model.state_dict().items():
            assert torch.equal(segmentor.model.state_dict()[name], tensor), name
    assert repr(segmentor) == "Segmentor(upernet of 3 classes on cpu)"


def test_one_image_and_many_of_every_kind(small: Segmentor, tmp_path: Path) -> None:
    image, other = noise(50, 40), noise(31, 44)
    image.save(tmp_path / "a.png")
    pixels = np.asarray(image)
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    result = small.predict(image)
    assert result.mask.shape == (40, 50) and result.mask.dtype == np.uint8 and result.mask.max() <= 2
    assert result.classes == CLASSES and result.image.size == (50, 40)
    assert np.array_equal(result.mask, predict_classes(small.model, tensor[None], SHOWN)[0])
    for given in (tmp_path / "a.png", str(tmp_path / "a.png"), (tmp_path / "a.png").read_bytes(), pixels, tensor):
        assert np.array_equal(small.predict(given).mask, result.mask)
    many = small.predict([image, other, image], batch_size=1)
    assert [each.mask.shape for each in many] == [(40, 50), (44, 31), (40, 50)]
    assert np.array_equal(many[0].mask, result.mask) and np.array_equal(many[2].mask, result.mask)
    assert np.array_equal(many[1].mask, small.predict(other).mask)
    assert small.predict([]) == []


def test_images_of_one_size_are_shown_together(small: Segmentor, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []

    def shown(model: UperNet, images: torch.Tensor, settings: InferenceSettings, views: Views) -> torch.Tensor:
        shapes.append(tuple(images.shape))
        return images[:, 0].long() % 3

    monkeypatch.setattr("swinkit.segmentation.predictor.predict_classes", shown)
    images = [noise(50, 40), noise(31, 44), *(noise(50, 40) for _ in range(2))]
    results = small.predict(images, batch_size=2)
    assert shapes == [(2, 3, 40, 50), (1, 3, 40, 50), (1, 3, 44, 31)]
    for image, result in zip(images, results, strict=True):
        assert np.array_equal(result.mask, np.asarray(image)[:, :, 0] % 3)


def test_prediction_follows_the_settings(small: Segmentor) -> None:
    image, whole = picture(3, 40, 50), InferenceSettings()
    expected = predict_classes(small.model, image[None], whole)[0]
    assert np.array_equal(small.predict(image, settings=whole).mask, expected)


def test_too_little_memory_is_one_sentence(small: Segmentor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("swinkit.segmentation.predictor.predict_classes", fail)
    with pytest.raises(InputError, match=r"too little memory for an image of 50 x 40 pixels; .* --mode slide"):
        small.predict(noise(50, 40))
    with pytest.raises(InputError, match=r"for 2 images of 50 x 40 pixels; show fewer at once, or in windows"):
        small.predict([noise(50, 40)] * 2)


def test_a_timm_backbone_is_built_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = UperNetConfig(channels=16, auxiliary_channels=8).build(TimmConfig("resnet18").build(), 3).eval()
    segmentor = opened(saved(tmp_path / "a.safetensors", model))
    assert isinstance(segmentor.model.backbone, TimmFeatures)
    assert segmentor.model.backbone.config == TimmConfig("resnet18")
    images = picture(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(segmentor.model(images).head, model(images).head)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"task": "detection", "architecture": "mask_rcnn"},
            "a detection model, mask_rcnn, not one of upernet",
        ),
        ({"config": {"channels": "16"}}, "the upernet.channels must be a whole number, not '16'"),
        ({"config": [16]}, "the upernet must be a mapping"),
        ({"backbone": {"architecture": "swin", "config": {"colour": 1}}}, "has no value 'colour'"),
        ({"backbone": {}}, "there is no backbone 'None'"),
        ({"preprocessing": {"colour": 1}}, r"a\.safetensors does not describe a segmentor: .* has no value 'colour'"),
        ({"classes": None}, "the segmentor.classes must be a list, not None"),
        ({"classes": ["a", "b"]}, r"a\.safetensors .* 2 classes are named, but the model has 3"),
        (
            {"num_classes": 4, "classes": list("abcd")},
            r"conv_seg\.weight is \(3, 16, 1, 1\) in the weights and \(4, 16, 1, 1\) in the model",
        ),
    ],
)
def test_description_that_does_not_fit(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = saved(tmp_path / "a.safetensors", small_model(), **change)
    with pytest.raises(InputError, match=message):
        opened(path)


def official_file(path: Path, *, classes: int = 150, names: Any = None) -> UperNet:
    """A file laid out like the official one: all its keys, with another width so that it is small."""
    torch.manual_seed(0)
    model = UperNet(
        SwinTransformer(OFFICIAL), UperNetConfig(channels=32, auxiliary_channels=16), num_classes=classes
    ).eval()
    with torch.no_grad():
        model.decode_head.conv_seg.weight.normal_()
    state = dict(model.state_dict())
    for stage, depth in enumerate(OFFICIAL.depths):
        for block in range(depth):
            state[f"backbone.layers.{stage}.blocks.{block}.attn.relative_position_index"] = torch.zeros(49, 49).long()
    meta = {"env_info": "sys.platform: linux", "seed": None, "exp_name": "upernet.py", "mmseg_version": "0.11.0+"}
    meta |= {"CLASSES": names, "PALETTE": [[120, 120, 120]] * classes, "epoch": 127, "iter": 160000}
    torch.save({"meta": meta, "state_dict": state}, path)
    return model


NAMES = [f"class {number}" for number in range(150)]


@pytest.mark.parametrize("name", [NAME, "renamed"])
@pytest.mark.parametrize("names", [NAMES, tuple(NAMES)], ids=["list", "tuple"])
def test_a_file_laid_out_like_the_official_one(tmp_path: Path, name: str, names: Any) -> None:
    path = tmp_path / f"{name}.pth"
    model = official_file(path, names=names)
    segmentor = opened(path)
    assert segmentor.classes == tuple(NAMES)
    assert segmentor.preprocessing == InferenceSettings(resize=(512, 2048))
    again = opened(segmentor.save_pretrained(tmp_path / "copy"))
    assert again.description == {"version": 2, **segmentor.description}
    images = picture(1, 3, 70, 90)
    with torch.no_grad():
        for ours in (segmentor.model, again.model):
            assert ours.config == model.config
            assert torch.equal(ours(images).head, model(images).head)


@pytest.mark.parametrize("names", [None, NAMES[:149], "wall"])
def test_without_fitting_names_classes_are_numbers(tmp_path: Path, names: Any) -> None:
    official_file(tmp_path / "a.pth", names=names)
    assert opened(tmp_path / "a.pth").classes == tuple(map(str, range(150)))


def test_files_that_hold_no_segmentor(tmp_path: Path) -> None:
    tensors = small_model().backbone.state_dict()
    save_file(tensors, tmp_path / "backbone.safetensors")
    save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    for name in ("backbone", "other"):
        with pytest.raises(InputError, match=rf"{name}\.safetensors holds no UperNet: its weights have no decode_head"):
            opened(tmp_path / f"{name}.safetensors")
    official_file(tmp_path / "a.pth")
    payload = torch.load(tmp_path / "a.pth", weights_only=True)
    del payload["state_dict"]["decode_head.bottleneck.conv.weight"]
    torch.save(payload, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth does not fit the model: decode_head\.bottleneck\.conv\.weight"):
        opened(tmp_path / "a.pth")


def test_the_ade20k_samples_are_evaluated_through_the_official_layout(tmp_path: Path) -> None:
    root = shared_path("data/ade20k_sample")
    classes = read_classes(None, root)
    data = open_validation_split(root, classes=classes, reduce_zero_label=True, validation_fraction=0.2, whole=False)
    official_file(tmp_path / "a.pth", names=list(classes))
    segmentor = opened(tmp_path / "a.pth")
    assert segmentor.classes == classes
    small = InferenceSettings(resize=(64, 256))
    scores = EvaluationImages(data, small, workers=0, processes=Processes(0, 1, CPU)).scores(segmentor.model)
    pixels = [512 * 683 - 3613, 364 * 500 - 17_280, 300 * 400 - 2031]
    known = {1: 123_406 + 49_211 + 9024, 2: 134_492 + 85_997 + 27_749, 102: 1616, 149: 0}
    assert scores.pixels == sum(pixels)
    assert {index: int(scores.confusion.sum(1)[index]) for index in known} == known
    assert 0 <= scores.miou < 0.2
