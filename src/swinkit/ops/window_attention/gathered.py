"""Window attention with one gather each way: the two forms that run on any device.

Roll, pad and partition are one permutation of C-wide tokens before the qkv projection (see `swinkit.ops.windows`).
Shapes: B images, H W map, C channels, N windows of one image, T tokens in a window, h heads, d head dim.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from swinkit.ops.constants import is_plain_cpu
from swinkit.ops.window_attention.written_out import attention_weights, matmul_self_attention
from swinkit.ops.windows import (
    TokenOrder,
    WindowGrid,
    group_masks,
    pad_tokens,
    to_image,
    to_windows,
    token_order,
    window_masks,
)

MOST_WINDOWS = 65_535
"""Some CUDA kernels index windows by a 16-bit grid dimension: more of them go in several calls."""

PIECE = 1 << 20
"""Values of q, k and v together that a CPU works on at a time, 4 MiB of float32."""

_group_biases_of = WeakTensorKeyDictionary()


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
    """See `window_attention`. Two matrix products and a softmax: fastest for training on a CPU, simple to export."""
    order = token_order(grid, x)
    if dropout_p == 0.0 and torch.is_grad_enabled() and is_plain_cpu(x):
        return _attend_by_hand(x, project, bias, grid, order, num_heads, scale)

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
        weights = F.dropout(attention_weights(logits), dropout_p)
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
    if not torch.is_grad_enabled() and is_plain_cpu(x):
        return _attend_in_pieces(x, project, bias, grid, order, num_heads, scale, dropout_p)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        batch = x.shape[0]
        sizes = [count * batch for count in grid.group_sizes]
        masks = _group_biases(bias, grid, q)
        outputs = [
            _sdpa(*group, mask=mask, scale=scale, dropout_p=dropout_p)
            for *group, mask in zip(q.split(sizes), k.split(sizes), v.split(sizes), masks, strict=True)
            if group[0].shape[0] != 0
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    return _attend_in_windows(x, project, grid, order, num_heads, attend)


def _add(logits: Tensor, added: Tensor) -> Tensor:
    """Their sum, in the memory of the logits, which nothing else needs, unless that would lose precision."""
    return logits.add_(added) if logits.dtype == added.dtype else logits + added


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


def _attend_by_hand(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    bias: Tensor | None,
    grid: WindowGrid,
    order: TokenOrder,
    num_heads: int,
    scale: float,
) -> Tensor:
    """`matmul_attention` with its gradient written out, where every copy costs: eager on a CPU."""
    batch, channels = x.shape[0], x.shape[-1]
    windows = to_windows(x, grid, order)
    qkv = project(windows).unflatten(-1, (3, num_heads, channels // num_heads))  # (N, B, T, 3, h, d)
    added = bias
    if grid.is_shifted:
        masks = window_masks(grid, qkv)
        added = masks if bias is None else masks + bias  # (N, 1 or h, T, T)
    out = matmul_self_attention(qkv, None if added is None else added.to(qkv.dtype), scale)
    return to_image(out.view(-1, channels), grid, order, batch=batch)


def _attend_in_pieces(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    bias: Tensor | None,
    grid: WindowGrid,
    order: TokenOrder,
    num_heads: int,
    scale: float,
    dropout_p: float,
) -> Tensor:
    """`sdpa_attention` without gradients on a CPU: some windows at a time, so that q, k and v stay in its cache."""
    batch, channels = x.shape[0], x.shape[-1]
    tokens = pad_tokens(x, *grid.padded).reshape(-1, channels)
    out = torch.empty_like(tokens)
    windows_at_once = max(1, PIECE // (3 * channels * grid.tokens))
    end = 0
    for count, mask in zip(grid.group_sizes, _remembered_group_biases(bias, grid, x), strict=True):
        start, end = end, end + count * batch
        for first in range(start, end, windows_at_once):
            rows = slice(first * grid.tokens, min(first + windows_at_once, end) * grid.tokens)
            qkv = project(tokens.index_select(0, order.to_windows[rows]))
            q, k, v = qkv.view(-1, grid.tokens, 3, num_heads, channels // num_heads).permute(2, 0, 3, 1, 4).unbind(0)
            attended = _sdpa(q, k, v, mask=mask, scale=scale, dropout_p=dropout_p)
            out[rows] = attended.transpose(1, 2).reshape(-1, channels)
    return to_image(out, grid, order, batch=batch)


def _remembered_group_biases(bias: Tensor | None, grid: WindowGrid, like: Tensor) -> list[Tensor | None]:
    """`_group_biases`, kept as long as this very bias is; a layer that infers hands the same one in on every call."""
    if bias is None or not grid.is_shifted or bias.is_inference():
        return _group_biases(bias, grid, like)
    key = (bias._version, grid.window, grid.shift, like.dtype)
    known = _group_biases_of.get(bias)
    if known is None or known[0] != key:
        with torch.inference_mode(False), torch.no_grad():
            known = key, _group_biases(bias, grid, like)
        _group_biases_of[bias] = known
    return known[1]


def _group_biases(bias: Tensor | None, grid: WindowGrid, like: Tensor) -> list[Tensor | None]:
    """Bias plus mask of each of the four mask kinds, in the dtype of `like`: (1, h or 1, T, T) each."""
    if not grid.is_shifted:
        return [None if bias is None else bias[None].to(like.dtype)] * 4
    masks = group_masks(grid, like)[:, None]
    return list((masks if bias is None else masks + bias).to(like.dtype).split(1))


def _sdpa(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, scale: float, dropout_p: float) -> Tensor:
    """scaled_dot_product_attention for any number of windows."""
    if not (q.is_cuda and q.shape[0] > MOST_WINDOWS):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p, scale=scale)
    parts = zip(q.split(MOST_WINDOWS), k.split(MOST_WINDOWS), v.split(MOST_WINDOWS), strict=True)
    return torch.cat(
        [F.scaled_dot_product_attention(*part, attn_mask=mask, dropout_p=dropout_p, scale=scale) for part in parts]
    )
