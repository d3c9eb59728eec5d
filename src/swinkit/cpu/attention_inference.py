"""Window attention without gradients, some windows at a time, so that their q, k and v stay in the processor's cache.

Shapes: B images, H W map, C channels, T tokens in a window, h heads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.cpu.by_tensor import ByTensor
from swinkit.ops.windows import WindowGrid, group_biases, pad_tokens, to_image, token_order

PIECE = 1 << 20
"""Values of q, k and v together in a piece, 4 MiB of float32."""

_group_biases_of: ByTensor[tuple[Hashable, list[Tensor | None]]] = ByTensor()


def attention_in_pieces(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
    dropout_p: float,
) -> Tensor:
    """See `swinkit.ops.window_attention.window_attention`."""
    batch, channels = x.shape[0], x.shape[-1]
    order = token_order(grid, x, by_mask=True)
    tokens = pad_tokens(x, *grid.padded).reshape(-1, channels)
    windows_at_once = max(1, PIECE // (3 * channels * grid.tokens))
    ends = list(accumulate(count * batch for count in grid.group_sizes))
    is_in_parts = windows_at_once < ends[-1] or grid.is_shifted
    out = torch.empty_like(tokens) if is_in_parts else tokens
    masks = _remembered_group_biases(bias, grid, x)
    for first in range(0, ends[-1], windows_at_once):
        last = min(first + windows_at_once, ends[-1])
        qkv = project(tokens.index_select(0, order.to_windows[first * grid.tokens : last * grid.tokens]))
        q, k, v = qkv.view(-1, grid.tokens, 3, num_heads, channels // num_heads).permute(2, 0, 3, 1, 4).unbind(0)
        start = first
        for end, mask in zip(ends, masks, strict=True):  # the windows of this piece that have this mask
            stop = min(end, last)
            if start >= stop:
                continue
            part = slice(start - first, stop - first)
            attended = F.scaled_dot_product_attention(
                q[part], k[part], v[part], attn_mask=mask, dropout_p=dropout_p, scale=scale
            )
            rows = attended.transpose(1, 2).reshape(-1, channels)
            if is_in_parts:
                out[start * grid.tokens : stop * grid.tokens] = rows
            else:
                out = rows
            start = stop
        del qkv, q, k, v  # so that the next piece finds their memory free, and in the cache
    return to_image(out, grid, order, batch=batch)


def _remembered_group_biases(bias: Tensor | None, grid: WindowGrid, like: Tensor) -> list[Tensor | None]:
    """`group_biases`, kept as long as this very bias is; a layer that infers hands the same one in on every call."""
    if bias is None or not grid.is_shifted or bias.is_inference():
        return group_biases(bias, grid, like)
    key = (bias._version, grid.window, grid.shift, like.dtype)
    known = _group_biases_of.get(bias)
    if known is None or known[0] != key:
        with torch.inference_mode(False), torch.no_grad():
            known = key, group_biases(bias, grid, like)
        _group_biases_of[bias] = known
    return known[1]
