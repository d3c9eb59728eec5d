"""Shifted window attention: one signature, several ways to compute it (paper section 3.2).

Shapes: B images, H W map, C channels, T tokens in a window, h heads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from torch import Tensor

from swinkit.errors import InputError
from swinkit.ops.window_attention.gathered import matmul_attention, sdpa_attention
from swinkit.ops.window_attention.reference import reference_attention
from swinkit.ops.windows import WindowGrid, are_symbols

AttentionBackend = Literal["auto", "reference", "matmul", "sdpa"]

__all__ = ["AttentionBackend", "check_backend", "window_attention"]


def check_backend(backend: str) -> None:
    """Raise an InputError where there is no such way to compute attention."""
    if backend not in get_args(AttentionBackend):
        raise InputError(f"there is no attention backend {backend!r}; choose one of {get_args(AttentionBackend)}")


def window_attention(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
    dropout_p: float = 0.0,
    backend: AttentionBackend = "auto",
) -> Tensor:
    """Multi-head self-attention within each (shifted) window, from image order to image order.

    Args:
        x: tokens (B, H, W, C), after the block's first LayerNorm.
        project: the qkv projection, (..., C) to (..., 3 C): q, k and v, each (h, C / h). It is a function because some
            ways project in image order and some in window order. Padded tokens are zeros before it, as in the published
            dense code, so their q, k and v are its bias, and they are attended to.
        bias: relative position bias (h, T, T), or None.
        grid: padding, shift and windows of this map.
        num_heads: h.
        scale: what q is multiplied with, usually (C / h) ** -0.5.
        dropout_p: dropout on the attention weights, 0..1; 0 in evaluation.
        backend: "reference" is the definition; "sdpa" uses scaled_dot_product_attention; "matmul" two batched matrix
            products. "auto" takes "matmul" where a CPU must give the bias a gradient, for which sdpa has no fast path
            there, and where sizes are free under torch.export; "sdpa" elsewhere.

    Returns:
        (B, H, W, C) before the output projection.
    """
    if backend == "reference":
        attend = reference_attention
    elif backend == "matmul" or (backend == "auto" and _prefers_matmul(x, bias)):
        attend = matmul_attention
    else:
        attend = sdpa_attention
    return attend(x, project, bias=bias, grid=grid, num_heads=num_heads, scale=scale, dropout_p=dropout_p)


def _prefers_matmul(x: Tensor, bias: Tensor | None) -> bool:
    return are_symbols(*x.shape) or (not x.is_cuda and bias is not None and bias.requires_grad)
