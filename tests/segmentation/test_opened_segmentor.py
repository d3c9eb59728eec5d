import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from shared_files import shared_path
from small_segmentation import small_model
from swinkit.weights.model_files import task_of

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.backbone.timm import TimmFeatures
from swinkit.errors import InputError
from swinkit.segmentation.data.folders import open_validation_part, read_classes
from swinkit.segmentation.inference import InferenceSettings, predict_classes
from swinkit.segmentation.model import UperNet, UperNetConfig
from swinkit.segmentation.predictor import open_segmentor
from swinkit.segmentation.task import SegmentationEvaluationImages
from swinkit.training.processes import Processes
from swinkit.weights.save import save_weights

NAME = "upernet_swin_tiny_patch4_window7_512x512"
SHOWN = InferenceSettings(resize=(48, 96), scales=(1.0, 0.5), flip=True, crop=(32, 32), stride=(16, 16))
OFFICIAL = SwinConfig(embed_dim=32, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8), window_size=7)


def saved(path: Path, model: UperNet, **changed: Any) -> Path:
    description = model.description() | {"classes": ["sky", "road", "猫"], "inference": asdict(SHOWN)} | changed
    return save_weights(path, model.state_dict(), {"format": "swinkit", "description": json.dumps(description)})


def noise(*size: int) -> Image.Image:
    return Image.effect_noise(size, 90).convert("RGB")


def test_own_file_needs_nothing_else(tmp_path: Path) -> None:
    model = small_model()
    path = saved(tmp_path / "best.safetensors", model)
    for source in (path, str(path), tmp_path):
        segmentor = open_segmentor(source)
        assert segmentor.classes == ("sky", "road", "猫") and segmentor.inference == SHOWN
        assert not segmentor.model.training and segmentor.model.config == model.config
        for name, tensor in model.state_dict().items():
            assert torch.equal(segmentor.model.state_dict()[name], tensor), name
    assert task_of(path) == "segmentation"
    classes = segmentor.predict(noise(50, 40))
    assert classes.shape == (40, 50) and classes.dtype == torch.int64 and classes.max() <= 2


def test_prediction_follows_the_settings(tmp_path: Path) -> None:
    segmentor, image = open_segmentor(saved(tmp_path / "a.safetensors", small_model())), noise(50, 40)
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(40, 50, 3).permute(2, 0, 1)
    assert torch.equal(segmentor.predict(image), predict_classes(segmentor.model, pixels, SHOWN))
    whole = InferenceSettings()
    assert torch.equal(segmentor.predict(image, whole), predict_classes(segmentor.model, pixels, whole))


def test_too_little_memory_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("swinkit.segmentation.predictor.predict_classes", fail)
    segmentor = open_segmentor(saved(tmp_path / "a.safetensors", small_model()))
    with pytest.raises(InputError, match=r"too little memory for an image of 50 x 40 pixels; .* --mode slide"):
        segmentor.predict(noise(50, 40))


def test_a_timm_backbone_is_built_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    head = UperNetConfig(channels=16, auxiliary_channels=8)
    model = UperNet(TimmFeatures("resnet18"), head, num_classes=3).eval()
    segmentor = open_segmentor(saved(tmp_path / "a.safetensors", model, inference=asdict(InferenceSettings())))
    assert isinstance(segmentor.model.backbone, TimmFeatures) and segmentor.model.backbone.name == "resnet18"
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(segmentor.model.head_logits(images), model.head_logits(images))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "detection", "architecture": "mask_rcnn"}, "this is a detection model, not an UperNet"),
        ({"head": {"channels": 16}}, "the description of the model is damaged or from another version"),
        ({"head": [16]}, "the description of the model is damaged or from another version"),
        (
            {"backbone": {"swin": {"embed_dim": 8, "colour": 1}, "out_stages": [0, 1]}},
            "damaged or from another version",
        ),
        ({"backbone": {}}, "damaged or from another version"),
        ({"inference": {"colour": 1}}, r"the description in .*a\.safetensors is damaged or from another version"),
        ({"inference": [1]}, "damaged or from another version"),
        ({"classes": None}, "damaged or from another version"),
        ({"classes": ["a", "b"]}, r"a\.safetensors names 2 classes, but its model has 3"),
        ({"num_classes": 4}, r"conv_seg\.weight is \(3, 16, 1, 1\) in the weights and \(4, 16, 1, 1\) in the model"),
    ],
)
def test_description_that_does_not_fit(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = saved(tmp_path / "a.safetensors", small_model(), **change)
    with pytest.raises(InputError, match=message):
        open_segmentor(path)


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
    assert task_of(path) == "segmentation"
    segmentor = open_segmentor(path)
    assert segmentor.classes == tuple(NAMES) and segmentor.description == {}
    assert segmentor.inference == InferenceSettings(resize=(512, 2048))
    assert segmentor.model.config == model.config
    images = torch.randn(1, 3, 70, 90)
    with torch.no_grad():
        for ours, theirs in zip(segmentor.model(images), model(images), strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("names", [None, NAMES[:149], "wall"])
def test_without_fitting_names_classes_are_numbers(tmp_path: Path, names: Any) -> None:
    official_file(tmp_path / "a.pth", names=names)
    assert open_segmentor(tmp_path / "a.pth").classes == tuple(map(str, range(150)))


def test_files_that_hold_no_segmentor(tmp_path: Path) -> None:
    tensors = small_model().backbone.state_dict()
    save_file(tensors, tmp_path / "backbone.safetensors")
    save_file({"conv1.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    for name in ("backbone", "other"):
        assert task_of(tmp_path / f"{name}.safetensors") == "classification"
        with pytest.raises(InputError, match=rf"{name}\.safetensors holds no UperNet: its weights have no decode_head"):
            open_segmentor(tmp_path / f"{name}.safetensors")
    official_file(tmp_path / "a.pth")
    payload = torch.load(tmp_path / "a.pth", weights_only=True)
    del payload["state_dict"]["decode_head.bottleneck.conv.weight"]
    torch.save(payload, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth does not fit the model: decode_head\.bottleneck\.conv\.weight"):
        open_segmentor(tmp_path / "a.pth")


def test_the_ade20k_samples_are_evaluated_through_the_official_layout(tmp_path: Path) -> None:
    root = shared_path("data/ade20k_sample")
    classes = read_classes(None, root)
    data = open_validation_part(root, classes=classes, reduce_zero_label=True, validation_fraction=0.2, whole=False)
    official_file(tmp_path / "a.pth", names=list(classes))
    segmentor = open_segmentor(tmp_path / "a.pth")
    assert segmentor.classes == classes
    small = InferenceSettings(resize=(64, 256))
    everywhere = Processes(0, 1, torch.device("cpu"))
    scores = SegmentationEvaluationImages(data, small, workers=0, processes=everywhere).scores(segmentor.model)
    pixels = [512 * 683 - 3613, 364 * 500 - 17_280, 300 * 400 - 2031]
    known = {1: 123_406 + 49_211 + 9024, 2: 134_492 + 85_997 + 27_749, 102: 1616, 149: 0}
    assert scores.pixels == sum(pixels)
    assert {index: int(scores.confusion.sum(1)[index]) for index in known} == known
    assert 0 <= scores.miou < 0.2


def test_own_weights_as_a_plain_state_dict_are_read_like_official_ones(tmp_path: Path) -> None:
    model = official_file(tmp_path / "a.pth")
    save_file(model.state_dict(), tmp_path / "b.safetensors")
    assert open_segmentor(tmp_path / "b.safetensors").model.config == model.config
    assert load_file(tmp_path / "b.safetensors").keys() == model.state_dict().keys()
