"""Backbones as plain data, so that a file of a detector or segmentor can say what it is built on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import nn

from swinkit.backbone.config import SwinConfig
from swinkit.backbone.contract import Backbone
from swinkit.backbone.features import SwinTransformer
from swinkit.backbone.timm_features import TimmFeatures
from swinkit.errors import InputError


def describe_backbone(backbone: Backbone | nn.Module) -> dict[str, Any]:
    """What `backbone_of` needs to build this backbone again, without its weights, as plain data.

    Raises InputError where it is neither a `SwinTransformer` nor a `TimmFeatures`.
    """
    if isinstance(backbone, SwinTransformer):
        stages = list(backbone.out_stages)
        return {"swin": asdict(backbone.config), "out_stages": stages, "geometry": backbone.geometry}
    if isinstance(backbone, TimmFeatures):
        return {"timm": backbone.name, "levels": list(backbone.strides)}
    raise InputError(
        f"a {type(backbone).__name__} cannot be described in a file; save the state dict and build the model by hand"
    )


def backbone_of(description: Mapping[str, Any]) -> SwinTransformer | TimmFeatures:
    """A backbone with fresh weights.

    Raises InputError where its values are damaged or timm is needed and not installed; KeyError or TypeError where
    they are not those of `describe_backbone`.
    """
    if "timm" in description:
        return TimmFeatures(description["timm"], levels=description["levels"])
    config = SwinConfig.from_plain(description["swin"])
    return SwinTransformer(config, out_stages=description["out_stages"], geometry=description["geometry"])
