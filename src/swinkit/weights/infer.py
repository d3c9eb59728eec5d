"""The architecture that a set of weights belongs to, read off their shapes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from swinkit.backbone.architecture import Attention
from swinkit.backbone.swin import SwinConfig
from swinkit.errors import InputError


def infer_config(tensors: Mapping[str, Tensor]) -> SwinConfig:
    """The configuration of a Swin from its tensors under official names, without `backbone.` before them.

    What shapes do not tell is taken as published: 32 channels a head where there is no bias table to count heads from,
    no dropout, an image of 32 windows' width (224 for window 7, 384 for window 12), and windows that are shifted where
    the tensors are those of windows.

    Raises InputError where these are not the weights of a Swin.
    """
    try:
        patches = tensors["patch_embed.proj.weight"]
        depths = _depths(tensors)
        attention = _attention(tensors)
        table_name = "local_relative_position_bias_table" if attention == "sliding" else "relative_position_bias_table"
        tables = [tensors.get(f"layers.{stage}.blocks.0.attn.{table_name}") for stage in range(len(depths))]
        qkv = "layers.0.blocks.0.attn.qkv"
        hidden = tensors["layers.0.blocks.0.mlp.fc1.weight"].shape[0]
    except KeyError as error:
        raise InputError(f"these are not the weights of a Swin Transformer: they have no {error.args[0]}") from None
    if patches.ndim != 4 or patches.shape[2] != patches.shape[3] or min(patches.shape) < 1:
        raise InputError(f"the patch embedding of these weights is {tuple(patches.shape)}, not (C, channels, p, p)")
    if any(table is not None and table.ndim != 2 for table in tables):
        raise InputError("a relative_position_bias_table of these weights is no table of rows and heads")
    width, channels, patch, _ = patches.shape
    features = tensors.get("layers.0.blocks.0.attn.features")
    head_width = 32 if features is None else features.shape[1]
    heads = [
        table.shape[1] if table is not None else max(1, width * 2**stage // head_width)
        for stage, table in enumerate(tables)
    ]
    window = 7 if tables[0] is None else math.isqrt(tables[0].shape[0])
    if attention != "sliding" and tables[0] is not None:
        window = (window + 1) // 2  # the table is that of offsets
    side = patch * 2 ** (len(depths) - 1) * window
    return SwinConfig(
        embed_dim=width,
        depths=depths,
        num_heads=tuple(heads),
        window_size=window,
        image_size=(side, side),
        patch_size=patch,
        in_channels=channels,
        mlp_ratio=hidden / width,
        patch_norm="patch_embed.norm.weight" in tensors,
        qkv_bias=f"{qkv}.bias" in tensors,
        attention=attention,
        relative_position_bias=tables[0] is not None,
        absolute_position_embedding="absolute_pos_embed" in tensors,
    )


def infer_backbone(tensors: Mapping[str, Tensor]) -> SwinConfig:
    """`infer_config` of a feature pyramid, whose stages with an output norm are those that give features."""
    stages = tuple(stage for stage in range(9) if f"norm{stage}.weight" in tensors)
    has_block = "global_block.attn.qkv.weight" in tensors
    return replace(infer_config(tensors), out_stages=stages, global_block=has_block)


def _attention(tensors: Mapping[str, Tensor]) -> Attention:
    """Sliding windows and the Performer have tensors of their own; all others have the same."""
    if "layers.0.blocks.0.attn.features" in tensors:
        return "performer"
    return "sliding" if "layers.0.blocks.0.attn.local_relative_position_bias_table" in tensors else "shifted"


def _depths(tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Blocks of each stage."""
    found: dict[str, set[str]] = {}
    for name in tensors:
        match = re.match(r"layers\.(\d+)\.blocks\.(\d+)\.", name)
        if match:
            found.setdefault(match[1], set()).add(match[2])
    if not found:
        raise KeyError("layers.0.blocks.0")
    places = {"layers": set(found)} | {f"layers.{stage}.blocks": blocks for stage, blocks in found.items()}
    for place, numbers in places.items():
        lacking = next((number for number in range(len(numbers)) if str(number) not in numbers), None)
        if lacking is not None:
            raise KeyError(f"{place}.{lacking}")
    return tuple(len(found[str(stage)]) for stage in range(len(found)))
