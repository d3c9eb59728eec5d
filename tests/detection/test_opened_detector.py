"""A detector from one file: swinkit's own, and files laid out like those of the official code."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.timm import TimmConfig
from swinkit.detection.architectures import AnyDetector
from swinkit.detection.atss import ATSS
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.evaluation_images import detect_in
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
from swinkit.detection.predictor import Detector, describe_detector
from swinkit.detection.rcnn import RCNN, RCNNConfig
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.errors import InputError
from swinkit.weights.load import load_weights
from swinkit.weights.model_file import read_model_file, write_description
from swinkit.weights.save import save_weights
from swinkit.weights.starting_weights import load_starting_weights

SHOWN = DetectionResize(48, 64)
NAMES = ("sky", "road", "猫")
WIDTHS = (32, 64, 128, 256)
HEADS = (1, 2, 4, 8)
SMALL = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4)
OFFICIAL = SwinConfig(embed_dim=32, depths=(2, 2, 2, 2), num_heads=HEADS, window_size=7)
KINDS = {False: MaskRCNN(channels=16, fc_channels=24), True: CascadeMaskRCNN(channels=16, fc_channels=24)}
"""The detectors of `official_tensors`, by whether they are cascades."""


def opened(path: Path) -> Detector:
    return Detector.from_file(read_model_file(path), device=torch.device("cpu"))


def small_detector(config: RCNNConfig | None = None, backbone: SwinConfig | TimmConfig = SMALL) -> RCNN:
    torch.manual_seed(0)
    small = replace(config or MaskRCNN(), channels=8, fc_channels=16, score_threshold=0.0, detections=9)
    return small.build(backbone.build(), 3).eval()


def saved(path: Path, model: RCNN, **changed: Any) -> Path:
    description = describe_detector(model, NAMES, SHOWN) | changed
    return save_weights(path, model.state_dict(), write_description(description))


@pytest.mark.parametrize(
    ("config", "backbone"),
    [
        (MaskRCNN(), SMALL),
        (CascadeMaskRCNN(), SMALL),
        (MaskRCNN(masks=False), SMALL),
        (CascadeMaskRCNN(masks=False, class_agnostic=True), replace(SMALL, patch_size=2)),
        (MaskRCNN(), TimmConfig("resnet18", levels=(8, 16))),
    ],
)
def test_own_file_needs_nothing_else(tmp_path: Path, config: RCNNConfig, backbone: SwinConfig | TimmConfig) -> None:
    model = small_detector(config, backbone)
    path = saved(tmp_path / "best.safetensors", model, results={"val/box_ap": 0.5})
    for source in (path, tmp_path):
        detector = opened(source)
        assert detector.classes == NAMES and detector.preprocessing == SHOWN and not detector.model.training
        assert detector.model.config == model.config and detector.model.has_masks == model.has_masks == config.masks
        assert detector.model.backbone.config == backbone and detector.description["results"] == {"val/box_ap": 0.5}
        assert detector.model.state_dict().keys() == model.state_dict().keys()
        for name, tensor in model.state_dict().items():
            assert torch.equal(detector.model.state_dict()[name], tensor), name
    image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    model.to(memory_format=torch.channels_last)  # as what is opened lies, so that every bit must be the same
    (one,), (other,) = (detect_in(each, [image], [(64, 64)]) for each in (model, detector.model))
    assert len(one.boxes) == 9 and torch.equal(one.boxes, other.boxes) and torch.equal(one.scores, other.scores)
    assert (one.masks is None) == (not config.masks) and (one.masks is None or torch.equal(one.masks, other.masks))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, r"a\.safetensors was written by a later version of swinkit"),
        ({"architecture": "yolo"}, "there is no detector 'yolo'; there are mask_rcnn, cascade_mask_rcnn, htc, atss"),
        ({"config": {"chanels": 3}}, r"the detector of .*a\.safetensors has no value 'chanels'; there are "),
        ({"config": {"rpn": {"scales": 3}}}, r"the detector of .*a\.safetensors\.rpn\.scales must be a list, not 3"),
        ({"config": None}, r"the detector of .*a\.safetensors must be a mapping of values, not None"),
        ({"backbone": None}, "a backbone is described by its architecture and config, not by None"),
        ({"backbone": {}}, "there is no backbone 'None'; there are swin, timm"),
        ({"backbone": {"architecture": "swin", "config": {"depths": "many"}}}, "backbone swin.depths must be a list"),
        ({"preprocessing": {"colour": 1}}, r"the preprocessing of .*a\.safetensors has no value 'colour'"),
        ({"preprocessing": [1]}, "must be a mapping"),
        ({"classes": None}, r"a\.safetensors names 0 classes, but its model has 3"),
        ({"classes": ["a", "b"]}, r"a\.safetensors names 2 classes, but its model has 3"),
        ({"classes": 5}, "names 0 classes, but its model has 3"),
        ({"num_classes": 4}, "names 3 classes, but its model has 4"),
        ({"classes": list("abcd"), "num_classes": 4}, r"(fc_cls|fc_reg|conv_logits)\.weight is .* in the weights and "),
    ],
)
def test_description_that_does_not_fit(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = saved(tmp_path / "a.safetensors", small_detector(), **change)
    with pytest.raises(InputError, match=message) as error:
        opened(path)
    assert "\n" not in str(error.value) or "num_classes" in change


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
    tensors = {listed(name): tensor for name, tensor in official_tensors(cascade=cascade).items()}
    model = KINDS[cascade].build(OFFICIAL.build(), 80)
    load_weights(model, path)
    detector = opened(path)
    assert detector.classes == names and detector.preprocessing == DetectionResize(800, 1333)
    assert detector.model.config == model.config == KINDS[cascade]
    for loaded in (model, detector.model):
        state = loaded.state_dict()
        assert not state.keys() - tensors.keys()
        assert {name for name in tensors if name not in state} <= {n for n in tensors if n.endswith("position_index")}
        for name, tensor in state.items():
            assert torch.equal(tensor, tensors[name]), name
    again = opened(detector.save_pretrained(tmp_path / "own"))
    assert again.description == {"version": 2, **detector.description} and again.classes == names
    assert again.model.state_dict().keys() == detector.model.state_dict().keys()
    if not cascade:
        found = replace(detector, preprocessing=SHOWN).predict(Image.effect_noise((80, 60), 90))
        assert found.detections.masks is not None and found.detections.masks.shape[1:] == (28, 28)


@pytest.mark.parametrize(
    "config",
    [
        ATSS(channels=64),
        SparseRCNN(proposals=5, stages=2, channels=32, inner=8, hidden=24),
        RepPointsV2(channels=64, corner_channels=32),
        MaskRepPointsV2(channels=64, corner_channels=32, mask_channels=16),
    ],
    ids=lambda config: type(config).__name__,
)
def test_files_of_the_other_frameworks_open(tmp_path: Path, config: AnyDetector) -> None:
    """Laid out as mmcv writes them; widths, classes and the backbone's features are read off the weights, all else is
    as published. A key that is missing is named."""
    backbone = OFFICIAL if isinstance(config, SparseRCNN) else OFFICIAL.from_stride(8)
    model = config.build(backbone.build(), 80)
    for parameter in model.parameters():
        parameter.data.normal_(std=0.02)
    tensors = model.state_dict()
    path = tmp_path / "framework.pth"
    torch.save({"meta": {"mmcv_version": "1.3.0"}, "state_dict": tensors, "optimizer": {}}, path)
    detector = opened(path)
    assert detector.model.config == config and len(detector.classes) == 80
    assert detector.preprocessing == DetectionResize(800, 1333)
    state = detector.model.state_dict()
    assert state.keys() == tensors.keys() and all(torch.equal(state[name], tensors[name]) for name in tensors)
    lost = next(name for name in reversed(tensors) if name.endswith("bias"))
    torch.save({"state_dict": {name: tensor for name, tensor in tensors.items() if name != lost}}, path)
    with pytest.raises(InputError, match=lost):
        opened(path)


def listed(name: str) -> str:
    """Our name of a tensor: the heads of one stage are a list of one."""
    for head in ("roi_head.bbox_head.", "roi_head.mask_head."):
        if name.startswith(head) and not name.removeprefix(head)[0].isdigit():
            return f"{head}0.{name.removeprefix(head)}"
    return name


@pytest.mark.parametrize("cascade", [False, True])
@pytest.mark.parametrize("key", ["rpn_head.rpn_reg.bias", "neck.fpn_convs.3.conv.weight", "backbone.norm2.weight"])
def test_a_missing_key_is_named(tmp_path: Path, cascade: bool, key: str) -> None:
    path = official_file(tmp_path / "a.pth", cascade=cascade)
    content = torch.load(path, weights_only=True)
    del content["state_dict"][key]
    torch.save(content, path)
    with pytest.raises(InputError, match=key.replace("backbone.", "")):
        load_weights(KINDS[cascade].build(OFFICIAL.build(), 80), path)


def test_an_official_file_of_own_classes_or_without_names(tmp_path: Path) -> None:
    named = opened(official_file(tmp_path / "a.pth", cascade=False, classes=3, CLASSES=list(NAMES)))
    assert named.classes == NAMES and named.model.num_classes == 3
    numbered = opened(official_file(tmp_path / "b.pth", cascade=True, classes=2))
    assert numbered.classes == ("0", "1") and isinstance(numbered.model.config, CascadeMaskRCNN)


def test_an_official_file_without_masks_or_with_fewer_stages(tmp_path: Path) -> None:
    path = official_file(tmp_path / "a.pth", cascade=True)
    content = torch.load(path, weights_only=True)
    state = {name: tensor for name, tensor in content["state_dict"].items() if "mask_head" not in name}
    torch.save(content | {"state_dict": state}, path)
    assert opened(path).model.config == replace(KINDS[True], masks=False)
    two = {name: tensor for name, tensor in state.items() if "bbox_head.2" not in name}
    torch.save(content | {"state_dict": two}, path)
    with pytest.raises(
        InputError, match=r"holds no detector that swinkit has \(mask_rcnn, cascade_mask_rcnn, htc, atss"
    ):
        opened(path)


def test_other_models_are_refused_in_one_sentence(tmp_path: Path) -> None:
    save_file(OFFICIAL.build().state_dict(), tmp_path / "backbone.safetensors")
    with pytest.raises(InputError, match=r"backbone\.safetensors holds no detector that swinkit has"):
        opened(tmp_path / "backbone.safetensors")
    heads = {name: t for name, t in official_tensors(cascade=False).items() if not name.startswith("backbone")}
    save_file(heads, tmp_path / "heads.safetensors")
    with pytest.raises(InputError, match=r"heads\.safetensors"):
        opened(tmp_path / "heads.safetensors")


@pytest.mark.parametrize("cascade", [False, True])
def test_heads_for_other_classes_are_new(tmp_path: Path, cascade: bool) -> None:
    """fc_cls, fc_reg and conv_logits stay as drawn; all else is the file's."""
    path = official_file(tmp_path / "a.pth", cascade=cascade)
    tensors = {listed(name): tensor for name, tensor in official_tensors(cascade=cascade).items()}
    model = KINDS[cascade].build(OFFICIAL.build(), 3)
    with pytest.raises(InputError, match=r"fc_cls|fc_reg|conv_logits"):
        load_weights(model, path)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    load_starting_weights(model, str(path))
    new = {name for name in before if name.split(".")[-2] in ("fc_cls", "fc_reg", "conv_logits")}
    assert len(new) == (18 if cascade else 6)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name] if name in new else tensors[name]), name
