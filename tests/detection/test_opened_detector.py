"""A detector from one file: swinkit's own, and files laid out like those of the official code."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from swinkit.weights.model_files import task_of
from torch import Tensor

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.backbone.timm import TimmFeatures
from swinkit.detection.config import CASCADE_MASK_RCNN, MASK_RCNN, DetectorConfig
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.model import RCNN
from swinkit.detection.predictor import open_detector
from swinkit.detection.task import detect_in
from swinkit.errors import InputError
from swinkit.weights.load import load_weights
from swinkit.weights.save import save_weights

SHOWN = DetectionResize(48, 64)
NAMES = ("sky", "road", "猫")
WIDTHS = (32, 64, 128, 256)
HEADS = (1, 2, 4, 8)
OFFICIAL = SwinConfig(embed_dim=32, depths=(2, 2, 2, 2), num_heads=HEADS, window_size=7)


def small_detector(config: DetectorConfig = MASK_RCNN, **how: Any) -> RCNN:
    torch.manual_seed(0)
    backbone = SwinTransformer(SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4))
    small = replace(config, channels=8, fc_channels=16, score_threshold=0.0, detections=9)
    return RCNN(backbone, small, num_classes=3, **how).eval()


def saved(path: Path, model: RCNN, **changed: Any) -> Path:
    description = model.description() | {"classes": list(NAMES), "resize": asdict(SHOWN)} | changed
    return save_weights(path, model.state_dict(), {"format": "swinkit", "description": json.dumps(description)})


def noise(*size: int) -> Image.Image:
    return Image.effect_noise(size, 90).convert("RGB")


@pytest.mark.parametrize("config", [MASK_RCNN, CASCADE_MASK_RCNN])
def test_own_file_needs_nothing_else(tmp_path: Path, config: DetectorConfig) -> None:
    model = small_detector(config)
    path = saved(tmp_path / "best.safetensors", model)
    for source in (path, str(path), tmp_path):
        detector = open_detector(source)
        assert detector.classes == NAMES and detector.resize == SHOWN
        assert not detector.model.training and detector.model.config == model.config
        for name, tensor in model.state_dict().items():
            assert torch.equal(detector.model.state_dict()[name], tensor), name
    assert task_of(path) == "detection"
    found = detector.predict(noise(90, 60))
    assert found.size == (60, 90) and found.boxes.shape == (9, 4) and found.boxes[:, 2].max() < 90.001
    assert found.boxes[:, 3].max() < 60.001 and found.boxes.max() > 48 and found.masks.shape == (9, 28, 28)


def test_a_detector_of_boxes_alone(tmp_path: Path) -> None:
    detector = open_detector(saved(tmp_path / "a.safetensors", small_detector(has_masks=False)))
    assert not detector.model.has_masks and detector.predict(noise(50, 40)).masks is None


def test_a_timm_backbone_is_built_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = RCNN(TimmFeatures("resnet18"), replace(MASK_RCNN, channels=8, fc_channels=16), num_classes=3).eval()
    detector = open_detector(saved(tmp_path / "a.safetensors", model))
    images = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    one, other = (detect_in(each, images, (64, 64)) for each in (model, detector.model))
    assert torch.equal(one.boxes, other.boxes) and detector.model.backbone.name == "resnet18"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "segmentation"}, "this is a segmentation model, not a detector"),
        ({"detector": {"colour": 1}}, "the description of the model is damaged or from another version"),
        ({"backbone": {}}, "damaged or from another version"),
        ({"resize": {"colour": 1}}, r"the description in .*a\.safetensors is damaged or from another version"),
        ({"resize": [1]}, "damaged or from another version"),
        ({"classes": None}, "damaged or from another version"),
        ({"classes": ["a", "b"]}, r"a\.safetensors names 2 classes, but its model has 3"),
        ({"num_classes": 4}, r"(fc_cls|fc_reg|conv_logits)\.weight is .* in the weights and .* in the model"),
    ],
)
def test_description_that_does_not_fit(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = saved(tmp_path / "a.safetensors", small_detector(), **change)
    with pytest.raises(InputError, match=message):
        open_detector(path)


def backbone_shapes() -> dict[str, tuple[int, ...]]:
    """Section 4.3 of the official formats: the dense backbone, with its index buffers."""
    shapes: dict[str, tuple[int, ...]] = {"patch_embed.proj.weight": (32, 3, 4, 4), "patch_embed.proj.bias": (32,)}
    norms = {"patch_embed.norm": 32} | {f"norm{stage}": width for stage, width in enumerate(WIDTHS)}
    for stage, (width, heads) in enumerate(zip(WIDTHS, HEADS, strict=True)):
        for block in range(2):
            prefix = f"layers.{stage}.blocks.{block}"
            shapes[f"{prefix}.attn.relative_position_bias_table"] = (169, heads)
            shapes[f"{prefix}.attn.relative_position_index"] = (49, 49)
            layers = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
            layers |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
            for name, shape in layers.items():
                shapes |= {f"{prefix}.{name}.weight": shape, f"{prefix}.{name}.bias": shape[:1]}
            norms |= {f"{prefix}.norm1": width, f"{prefix}.norm2": width}
        if stage < 3:
            shapes[f"layers.{stage}.downsample.reduction.weight"] = (2 * width, 4 * width)
            norms[f"layers.{stage}.downsample.norm"] = 4 * width
    for name, width in norms.items():
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    return shapes


def head_shapes(cascade: bool, classes: int, channels: int, width: int) -> dict[str, tuple[int, ...]]:
    """Section 4.4: neck, proposal network, box and mask heads."""
    layers: dict[str, tuple[int, ...]] = {}
    for level, dim in enumerate(WIDTHS):
        layers[f"neck.lateral_convs.{level}.conv"] = (channels, dim, 1, 1)
        layers[f"neck.fpn_convs.{level}.conv"] = (channels, channels, 3, 3)
    layers["rpn_head.rpn_conv"] = (channels, channels, 3, 3)
    layers |= {"rpn_head.rpn_cls": (3, channels, 1, 1), "rpn_head.rpn_reg": (12, channels, 1, 1)}
    shapes: dict[str, tuple[int, ...]] = {}
    for stage in (".0", ".1", ".2") if cascade else ("",):
        box, mask = f"roi_head.bbox_head{stage}", f"roi_head.mask_head{stage}"
        layers[f"{box}.shared_fcs.0"] = (width, channels * 49)
        if not cascade:
            layers[f"{box}.shared_fcs.1"] = (width, width)
        layers |= {f"{box}.fc_cls": (classes + 1, width), f"{box}.fc_reg": (4 * classes, width)}
        for number in range(4):
            layers[f"{mask}.convs.{number}.conv"] = (channels, channels, 3, 3)
            if cascade:
                conv = f"{box}.shared_convs.{number}"
                shapes[f"{conv}.conv.weight"] = (channels, channels, 3, 3)
                names = ("weight", "bias", "running_mean", "running_var")
                shapes |= {f"{conv}.bn.{name}": (channels,) for name in names} | {f"{conv}.bn.num_batches_tracked": ()}
        layers |= {f"{mask}.upsample": (channels, channels, 2, 2), f"{mask}.conv_logits": (classes, channels, 1, 1)}
    for name, shape in layers.items():
        biases = shape[1:2] if "upsample" in name else shape[:1]
        shapes |= {f"{name}.weight": shape, f"{name}.bias": biases}
    return shapes


def official_tensors(*, cascade: bool, classes: int = 80) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {f"backbone.{name}": shape for name, shape in backbone_shapes().items()}
    tensors = {
        name: torch.rand(shape, generator=generator) * 0.04
        for name, shape in (shapes | head_shapes(cascade, classes, 16, 24)).items()
    }
    index = torch.arange(49 * 49).view(49, 49)
    tensors |= {name: index.clone() for name in tensors if name.endswith("relative_position_index")}
    counts = [name for name in tensors if name.endswith("num_batches_tracked")]
    return tensors | {name: torch.tensor(7) for name in counts}


def official_file(path: Path, *, cascade: bool, classes: int = 80, **meta: Any) -> Path:
    """As mmcv writes it; an optimizer's state may lie beside the weights."""
    tensors = official_tensors(cascade=cascade, classes=classes)
    torch.save({"meta": {"mmcv_version": "1.3.0", "epoch": 36} | meta, "state_dict": tensors, "optimizer": {}}, path)
    return path


@pytest.mark.parametrize("cascade", [False, True])
def test_an_official_file_loads_strictly_and_opens(tmp_path: Path, cascade: bool) -> None:
    """Every key has its place, and no parameter is left as it was."""
    names = tuple(f"class {number}" for number in range(80))
    path = official_file(tmp_path / "mask.pth", cascade=cascade, CLASSES=names)
    tensors = official_tensors(cascade=cascade)
    base = CASCADE_MASK_RCNN if cascade else MASK_RCNN
    model = RCNN(SwinTransformer(OFFICIAL), replace(base, channels=16, fc_channels=24), num_classes=80)
    report = load_weights(model, path)
    print(report)
    detector = open_detector(path)
    assert detector.classes == names and detector.resize == DetectionResize(800, 1333)
    assert detector.model.config == model.config and detector.description == {}
    for loaded in (model, detector.model):
        state = loaded.state_dict()
        assert not state.keys() - tensors.keys()
        assert {name for name in tensors if name not in state} <= {n for n in tensors if n.endswith("position_index")}
        for name, tensor in state.items():
            assert torch.equal(tensor, tensors[name]), name
    if not cascade:
        found = replace(detector, resize=SHOWN).predict(noise(80, 60))
        assert found.masks is not None and found.masks.shape[1:] == (28, 28)


@pytest.mark.parametrize("cascade", [False, True])
@pytest.mark.parametrize("key", ["rpn_head.rpn_reg.bias", "neck.fpn_convs.3.conv.weight", "backbone.norm2.weight"])
def test_a_missing_key_is_named(tmp_path: Path, cascade: bool, key: str) -> None:
    path = official_file(tmp_path / "a.pth", cascade=cascade)
    content = torch.load(path, weights_only=True)
    del content["state_dict"][key]
    torch.save(content, path)
    base = CASCADE_MASK_RCNN if cascade else MASK_RCNN
    model = RCNN(SwinTransformer(OFFICIAL), replace(base, channels=16, fc_channels=24), num_classes=80)
    with pytest.raises(InputError, match=key.replace("backbone.", "")):
        load_weights(model, path)


def test_an_official_file_of_own_classes_or_without_names(tmp_path: Path) -> None:
    named = open_detector(official_file(tmp_path / "a.pth", cascade=False, classes=3, CLASSES=list(NAMES)))
    assert named.classes == NAMES and named.model.num_classes == 3
    numbered = open_detector(official_file(tmp_path / "b.pth", cascade=True, classes=2))
    assert numbered.classes == ("0", "1") and numbered.model.config.is_cascade


def test_other_models_are_refused_in_one_sentence(tmp_path: Path) -> None:
    save_file(SwinTransformer(OFFICIAL).state_dict(), tmp_path / "backbone.safetensors")
    with pytest.raises(InputError, match=r"backbone\.safetensors holds no Mask R-CNN or Cascade Mask R-CNN"):
        open_detector(tmp_path / "backbone.safetensors")
    with pytest.raises(InputError, match="absent"):
        open_detector(tmp_path / "absent.pth")


@pytest.mark.parametrize("cascade", [False, True])
def test_heads_for_other_classes_are_new(tmp_path: Path, cascade: bool) -> None:
    """fc_cls, fc_reg and conv_logits stay as drawn; all else is the file's."""
    path, tensors = official_file(tmp_path / "a.pth", cascade=cascade), official_tensors(cascade=cascade)
    base = CASCADE_MASK_RCNN if cascade else MASK_RCNN
    model = RCNN(SwinTransformer(OFFICIAL), replace(base, channels=16, fc_channels=24), num_classes=3)
    with pytest.raises(InputError, match=r"fc_cls|fc_reg|conv_logits"):
        load_weights(model, path)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    load_weights(model, path, replace_head=True)
    heads = ("fc_cls", "fc_reg", "conv_logits")
    new = {name for name in before if name.split(".")[-2] in heads}
    assert len(new) == (18 if cascade else 6)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name] if name in new else tensors[name]), name
