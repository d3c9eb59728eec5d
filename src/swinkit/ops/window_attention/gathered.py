"""Window attention with one gather each way: the two forms that run on any device.

Roll, pad and partition are one permutation of C-wide tokens before the qkv projection (see `swinkit.ops.windows`).
Shapes: B images, H W map, C channels, N windows of one image, T tokens in a window, h heads, d head dim.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.cpu.denormals import softmax_without_denormals
from swinkit.ops.tracing import is_transformed
from swinkit.ops.windows import (
    TokenOrder,
    WindowGrid,
    group_biases,
    to_image,
    to_windows,
    token_order,
    window_masks,
)

MOST_WINDOWS = 65_535
"""Some CUDA kernels index windows by a 16-bit grid dimension: more of them go in several calls."""


def matmul_attention(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """See `window_attention`. Two matrix products and a softmax: simple to export."""
    order = token_order(grid, x)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        logits = (q * scale) @ k.transpose(-2, -1)  # (N * B, h, T, T)
        if grid.is_shifted:
            masks = window_masks(grid, q)
            added = masks if bias is None else masks + bias  # (N, 1 or h, T, T)
            count, batch = masks.shape[0], x.shape[0]
            split = _add(logits.view(count, batch, num_heads, grid.tokens, grid.tokens), added[:, None])
            logits = split.view(count * batch, num_heads, grid.tokens, grid.tokens)
        elif bias is not None:
            logits = _add(logits, bias)
        weights = F.dropout(softmax_without_denormals(logits), dropout_p)
        return weights.to(v.dtype) @ v

    return _attend_in_windows(x, project, grid, order, num_heads, attend)


def sdpa_attention(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """See `window_attention`. scaled_dot_product_attention, once for each mask kind, which it broadcasts."""
    order = token_order(grid, x, by_mask=True)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        batch = x.shape[0]
        sizes = [count * batch for count in grid.group_sizes]
        masks = group_biases(bias, grid, q)
        outputs = [
            _sdpa(*group, mask=mask, scale=scale, dropout_p=dropout_p)
            for *group, mask in zip(q.split(sizes), k.split(sizes), v.split(sizes), masks, strict=True)
            if group[0].shape[0] != 0
        ] or [v]  # no images
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    return _attend_in_windows(x, project, grid, order, num_heads, attend)


def _add(logits: Tensor, added: Tensor) -> Tensor:
    """Their sum, in the memory of the logits, which nothing else needs, unless that would lose precision."""
    is_possible = logits.dtype == added.dtype and not is_transformed()  # vmap writes nothing into what is shared
    return logits.add_(added) if is_possible else logits + added


def _attend_in_windows(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    grid: WindowGrid,
    order: TokenOrder,
    num_heads: int,
    attend: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    """Gather, project, `attend` to q, k, v of (N * B, h, T, d), and scatter back to (B, H, W, C)."""
    batch, channels = x.shape[0], x.shape[-1]
    windows = to_windows(x, grid, order).flatten(0, 1)  # (N * B, T, C)
    qkv = project(windows).unflatten(-1, (3, num_heads, channels // num_heads))
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    out = attend(q, k, v).transpose(1, 2).reshape(-1, channels)
    return to_image(out, grid, order, batch=batch)


def _sdpa(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, scale: float, dropout_p: float) -> Tensor:
    """scaled_dot_product_attention for any number of windows."""
    if not (q.is_cuda and q.shape[0] > MOST_WINDOWS):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p, scale=scale)
    parts = zip(q.split(MOST_WINDOWS), k.split(MOST_WINDOWS), v.split(MOST_WINDOWS), strict=True)
    return torch.cat(
        [F.scaled_dot_product_attention(*part, attn_mask=mask, dropout_p=dropout_p, scale=scale) for part in parts]
    )
