"""Backbones of the timm library keep the contract of every backbone."""

import sys

import pytest
import torch

from swinkit.backbone.contract import BackboneConfig
from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.timm import TimmConfig
from swinkit.errors import InputError


@pytest.mark.parametrize("name", ["resnet50", "swin_s3_tiny_224"])
def test_a_timm_backbone_keeps_the_contract(name: str) -> None:
    backbone = TimmConfig(name).build().eval()
    size = 224 if "swin" in name else 64
    features = backbone(torch.randn(1, 3, size, size))
    assert [feature.shape[1] for feature in features] == list(backbone.channels)
    assert [size // feature.shape[2] for feature in features] == list(backbone.strides) == [4, 8, 16, 32]


def test_a_resnet_as_detectors_are_published_on_it() -> None:
    """Batch norm keeps its statistics but learns scale and shift; stem and first stage learn nothing."""
    backbone = TimmConfig("resnet18", frozen_batch_norm=True, frozen_stages=1).build().train()
    statistics = {name: buffer.clone() for name, buffer in backbone.named_buffers()}
    sum(feature.square().mean() for feature in backbone(torch.randn(2, 3, 64, 64))).backward()
    assert all(buffer.equal(statistics[name]) for name, buffer in backbone.named_buffers())
    still = {name for name, parameter in backbone.named_parameters() if parameter.grad is None}
    first = ("model.conv1.", "model.bn1.", "model.layer1.")
    assert still == {name for name, _ in backbone.named_parameters() if name.startswith(first)}
    assert backbone.training and not backbone.model["layer1"].training and backbone.model["layer2"].training


@pytest.mark.parametrize(
    ("stages", "frozen"), [(-1, set()), (0, {"conv1", "bn1"}), (2, {"conv1", "bn1", "layer1", "layer2"})]
)
def test_how_much_of_a_resnet_is_frozen(stages: int, frozen: set[str]) -> None:
    backbone = TimmConfig("resnet18", frozen_stages=stages).build()
    still = {name.split(".")[1] for name, parameter in backbone.named_parameters() if not parameter.requires_grad}
    assert still == frozen


@pytest.mark.parametrize(("name", "stages"), [("swin_s3_tiny_224", 1), ("resnet18", 5)])
def test_stages_that_are_not_there_are_not_frozen(name: str, stages: int) -> None:
    with pytest.raises(InputError, match="is for timm's ResNets, whose parts are called layer1"):
        TimmConfig(name, frozen_stages=stages).build()


@pytest.mark.parametrize(
    ("config", "stride", "strides"),
    [
        (TimmConfig("resnet18"), 8, (8, 16, 32)),
        (SwinConfig(), 8, (8, 16, 32)),
        (SwinConfig(out_stages=(0, 3)), 5, (32,)),
    ],
)
def test_features_from_a_stride_on(config: BackboneConfig, stride: int, strides: tuple[int, ...]) -> None:
    assert config.from_stride(stride).build().strides == strides
    with pytest.raises(InputError, match="are all finer than the 64 that are needed"):
        config.from_stride(64)


@pytest.mark.parametrize(("name", "levels"), [("resnet_of_nobody", (4, 8)), ("resnet18", (4, 5)), ("resnet18", (64,))])
def test_what_timm_does_not_have_is_one_sentence(name: str, levels: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="timm gives no features of strides"):
        TimmConfig(name, levels).build()


def test_without_timm_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="pip install timm"):
        TimmConfig("resnet50").build()
