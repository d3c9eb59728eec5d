"""Sliding-window attention: every token sees the window around itself (paper tables 5 and 6; LR-Net, 1904.11491).

Shapes: B images, H W map, h heads, d head dim, M side of a window.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from swinkit.errors import InputError
from swinkit.ops.sliding_attention.blocks import block_attention
from swinkit.ops.sliding_attention.reference import unfolded_attention
from swinkit.ops.windows import are_symbols

SlidingBackend = Literal["auto", "reference", "blocks"]

__all__ = ["SlidingBackend", "check_sliding_backend", "sliding_attention"]


def check_sliding_backend(backend: str) -> None:
    """Raise an InputError where there is no such way to compute sliding attention."""
    if backend not in get_args(SlidingBackend):
        raise InputError(f"there is no sliding backend {backend!r}; choose one of {get_args(SlidingBackend)}")


def sliding_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    bias: Tensor | None,
    window: int,
    scale: float,
    dropout_p: float = 0.0,
    backend: SlidingBackend = "auto",
) -> Tensor:
    """Each query attends to the M x M tokens around it, from M // 2 above and left on, whatever the shift of others.

    A place outside of the map is a key whose logit is -100 and the bias, and whose value is 0, as in the published
    kernel (branch LR-Net of the official repository): a query at the border keeps fewer keys, not a moved window.

    Args:
        q: queries (B, H, W, h, d).
        k: keys of the same shape.
        v: values of the same shape.
        bias: what is added to the logits, (M * M, h), places row by row; or None.
        window: M.
        scale: what q is multiplied with, usually d ** -0.5.
        dropout_p: dropout on the attention weights, 0..1; 0 in evaluation.
        backend: "reference" copies the M * M keys and values of every query, the naive way of table 5; "blocks" reads
            those of a square of queries at once, and keeps nothing that is larger than q, k and v. "auto" is "blocks"
            but for dropout in training and for export, where sizes may be free.

    Returns:
        (B, H, W, h, d) before the output projection.

    Raises:
        InputError: where "blocks" is asked for and cannot run.
    """
    needs_reference = dropout_p > 0 or are_symbols(*q.shape)
    if backend == "blocks" and needs_reference:
        raise InputError(
            "sliding backend 'blocks' cannot run with dropout of attention weights or free sizes; choose reference"
        )
    if backend == "reference" or needs_reference:
        return unfolded_attention(q, k, v, bias=bias, window=window, scale=scale, dropout_p=dropout_p)
    return block_attention(q, k, v, bias=bias, window=window, scale=scale)
