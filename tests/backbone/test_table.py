"""Backbones as plain data."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import timm
from torch import Tensor, nn

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.table import backbone_config, check_rgb, describe_backbone
from swinkit.backbone.timm import TimmConfig, TimmFeatures
from swinkit.errors import InputError

SWIN = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), out_stages=(1,), frozen_stages=1, geometry="dense")


@pytest.mark.parametrize("config", [SWIN, TimmConfig("resnet18", levels=(8, 16))])
def test_what_a_file_says_builds_it_again(config: SwinConfig | TimmConfig) -> None:
    assert backbone_config(describe_backbone(config.build())) == config


def test_opening_a_file_downloads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backbone that began with timm's weights is described without them: its own weights follow."""
    create, asked = timm.create_model, []

    def pretended(name: str, *, pretrained: bool = False, **options: Any) -> nn.Module:
        asked.append(pretrained)
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", pretended)
    described = describe_backbone(TimmConfig("resnet18", pretrained=True).build())
    assert True in asked
    asked.clear()
    assert isinstance(backbone_config(described).build(), TimmFeatures)
    assert asked and True not in asked


def test_a_backbone_without_a_config_works_but_is_not_described() -> None:
    class Own(nn.Module):
        channels, strides = (4,), (8,)

        def forward(self, images: Tensor) -> list[Tensor]:
            return [images[:, :1, ::8, ::8].expand(-1, 4, -1, -1)]

    with pytest.raises(InputError, match="a Own cannot be described in a file, as it has no config that builds it"):
        describe_backbone(Own())

    @dataclass(frozen=True)
    class Other:
        def build(self, *, checkpoint_activations: bool = False) -> Own:
            own = Own()
            own.config = self
            return own

    table = {"other": Other}
    assert backbone_config(describe_backbone(Other().build(), table), table) == Other()


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ({"architecture": "vgg", "config": {}}, "there is no backbone 'vgg'; there are swin, timm"),
        ({"architecture": "swin", "config": {"embed_dim": "wide"}}, "embed_dim must be a whole number"),
        ({"architecture": "swin", "config": {"width": 3}}, "has no value 'width'"),
        ({"architecture": "swin"}, "must be a mapping of values"),
    ],
)
def test_what_is_damaged_is_one_sentence(description: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        backbone_config(description)


def test_other_than_rgb_is_refused() -> None:
    check_rgb(SWIN)
    check_rgb(TimmConfig())
    with pytest.raises(InputError, match=r"--backbone\.in-channels must be 3, not 1"):
        check_rgb(replace(SWIN, in_channels=1))
