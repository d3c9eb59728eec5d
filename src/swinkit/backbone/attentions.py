"""The attention of a block by the configuration's field `attention`: every alternative of the paper, one border."""

from __future__ import annotations

from torch import nn

from swinkit.backbone.architecture import SwinArchitecture
from swinkit.layers.attention import WindowAttention
from swinkit.layers.padded_shift import PaddedShiftAttention
from swinkit.layers.performer_attention import PerformerAttention
from swinkit.layers.sliding_attention import SlidingAttention
from swinkit.ops.geometry import Geometry
from swinkit.ops.window_attention import AttentionBackend


def build_attention(
    config: SwinArchitecture, stage: int, block: int, *, geometry: Geometry, backend: AttentionBackend
) -> nn.Module:
    """A module from (B, H, W, C) to (B, H, W, C).

    Args:
        config: the architecture.
        stage: which stage it is for, from 0.
        block: which block of the stage, from 0; every second one is shifted.
        geometry: which published code decides at the borders.
        backend: how windows are computed. Sliding windows take "reference" as such, and their fast way for the others.
    """
    dim, heads = config.widths[stage], config.num_heads[stage]
    if config.attention == "performer":
        return PerformerAttention(dim, heads, qkv_bias=config.qkv_bias, drop_rate=config.drop_rate)
    if config.attention == "sliding":
        return SlidingAttention(
            dim,
            heads,
            window=config.window_size,
            qkv_bias=config.qkv_bias,
            qk_scale=config.qk_scale,
            relative_bias=config.relative_position_bias,
            attn_drop_rate=config.attn_drop_rate,
            drop_rate=config.drop_rate,
            backend="reference" if backend == "reference" else "auto",
        )
    kind = PaddedShiftAttention if config.attention == "padded_shift" else WindowAttention
    window = _window(config, stage) if geometry == "classification" else config.window_size
    return kind(
        dim,
        heads,
        window=window,
        shift=window // 2 if block % 2 and config.attention != "unshifted" else 0,
        geometry=geometry,
        qkv_bias=config.qkv_bias,
        qk_scale=config.qk_scale,
        relative_bias=config.relative_position_bias,
        attn_drop_rate=config.attn_drop_rate,
        drop_rate=config.drop_rate,
        backend=backend,
    )


def choose_attention_backend(attention: nn.Module, backend: AttentionBackend) -> None:
    """Let a module of `build_attention` compute in another way; one that has a single way stays as it is."""
    if isinstance(attention, WindowAttention):
        attention.backend = backend
    elif isinstance(attention, SlidingAttention):
        attention.backend = "reference" if backend == "reference" else "auto"


def _window(config: SwinArchitecture, stage: int) -> int:
    """A classifier's window in one stage: no larger than the map at the size it is made for."""
    smallest = min(-(-(side // config.patch_size) // 2**stage) for side in config.image_size)
    return max(1, min(config.window_size, smallest))
