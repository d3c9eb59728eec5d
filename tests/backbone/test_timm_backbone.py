"""Backbones of the timm library keep the contract of every backbone."""

import sys

import pytest
import torch

from swinkit.backbone.timm import TimmConfig
from swinkit.errors import InputError


@pytest.mark.parametrize("name", ["resnet50", "swin_s3_tiny_224"])
def test_a_timm_backbone_keeps_the_contract(name: str) -> None:
    backbone = TimmConfig(name).build().eval()
    size = 224 if "swin" in name else 64
    features = backbone(torch.randn(1, 3, size, size))
    assert [feature.shape[1] for feature in features] == list(backbone.channels)
    assert [size // feature.shape[2] for feature in features] == list(backbone.strides) == [4, 8, 16, 32]


@pytest.mark.parametrize(("name", "levels"), [("resnet_of_nobody", (4, 8)), ("resnet18", (4, 5)), ("resnet18", (64,))])
def test_what_timm_does_not_have_is_one_sentence(name: str, levels: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="timm gives no features of strides"):
        TimmConfig(name, levels).build()


def test_without_timm_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="pip install timm"):
        TimmConfig("resnet50").build()
