"""Backbones as plain data: what files say, and what people write on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from typing import Any

from swinkit.backbone.contract import BackboneConfig
from swinkit.backbone.deit import DeiTPyramidConfig
from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import VARIANTS
from swinkit.errors import InputError
from swinkit.serialization import from_plain, to_plain

BACKBONES: dict[str, type[BackboneConfig]] = {
    "swin": SwinConfig,
    "timm": TimmConfig,
    "deit_pyramid": DeiTPyramidConfig,
}
"""What files call a backbone, to its configuration; for reading files only."""


def describe_backbone(backbone: object, table: Mapping[str, type[BackboneConfig]] = BACKBONES) -> dict[str, Any]:
    """`{"architecture": ..., "config": {...}}` of a backbone that was built from a configuration of `table`.

    Raises InputError where it was not.
    """
    config = getattr(backbone, "config", None)
    name = next((name for name, kind in table.items() if type(config) is kind), None)
    if name is None or not is_dataclass(config):
        raise InputError(
            f"a {type(backbone).__name__} cannot be described in a file, as it has no config that builds it again; "
            "save the state dict and build the model by hand"
        )
    return {"architecture": name, "config": to_plain(config)}


def backbone_config(description: Any, table: Mapping[str, type[BackboneConfig]] = BACKBONES) -> BackboneConfig:
    """The configuration that `describe_backbone` wrote; raises InputError where it is none."""
    if not isinstance(description, Mapping):
        raise InputError(f"a backbone is described by its architecture and config, not by {description!r:.60}")
    name = str(description.get("architecture"))
    if name not in table:
        raise InputError(f"there is no backbone {name!r}; there are {', '.join(table)}")
    config = from_plain(table[name], description.get("config"), where=f"the backbone {name}")
    if isinstance(config, TimmConfig):
        if ":" in config.name:
            raise InputError(f"a file may name backbones of timm itself, not of elsewhere as {config.name!r} is")
        return replace(config, pretrained=False)  # a file's own weights follow: reading it downloads nothing
    return config


def named_backbone(name: str, like: BackboneConfig) -> BackboneConfig:
    """What is meant by a name such as swin_t or timm:resnet50; stochastic depth stays as it is in `like`.

    Raises InputError where nothing is.
    """
    if name.startswith("timm:"):
        return TimmConfig(name.removeprefix("timm:"), pretrained=True)
    rate = like.drop_path_rate if isinstance(like, SwinConfig | DeiTPyramidConfig) else 0.0
    if name == "deit_s_pyramid":
        return DeiTPyramidConfig(pretrained=True, drop_path_rate=rate)
    if name not in VARIANTS:
        raise InputError(
            f"there is no backbone {name!r}; there are {', '.join(VARIANTS)}, deit_s_pyramid and timm:NAME"
        )
    return replace(VARIANTS[name], drop_path_rate=rate)


def check_rgb(config: BackboneConfig) -> None:
    """Raises InputError where a backbone is not made for RGB, which images are read as."""
    channels = getattr(config, "in_channels", 3)
    if channels != 3:
        raise InputError(f"images are read as RGB, so --backbone.in-channels must be 3, not {channels}")
