"""The definition: pad, roll, cut, project, attend with a mask for every window, and back (paper section 3.2).

Written for reading, in the order of the published code; the other ways to compute it must equal this one.
Shapes: B images, H W map, C channels, N windows of one image, T tokens in a window, h heads, d head dim.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.ops.tracing import map_size
from swinkit.ops.windows import MASK_VALUE, WindowGrid, pad_tokens


def partition(x: Tensor, window: tuple[int, int]) -> Tensor:
    """(B, H, W, C) of whole windows to (B * N, T, C), windows row by row."""
    height, width = map_size(x)
    x = x.reshape(x.shape[0], height // window[0], window[0], width // window[1], window[1], x.shape[3])
    return x.transpose(2, 3).reshape(-1, window[0] * window[1], x.shape[5])


def reverse(windows: Tensor, window: tuple[int, int], height: int, width: int) -> Tensor:
    """(B * N, T, C) back to (B, H, W, C)."""
    channels = windows.shape[-1]
    x = windows.reshape(-1, height // window[0], width // window[1], window[0], window[1], channels)
    return x.transpose(2, 3).reshape(-1, height, width, channels)


def shift_mask(grid: WindowGrid, device: torch.device) -> Tensor:
    """(N, T, T): 0 where two tokens of a rolled map were neighbours before, -100 where they were not."""
    height, width = grid.padded
    (window_h, window_w), (shift_h, shift_w) = grid.window, grid.shift
    regions = torch.zeros(1, height, width, 1, device=device)
    number = 0
    for rows in (slice(0, -window_h), slice(-window_h, -shift_h), slice(-shift_h, None)):
        for columns in (slice(0, -window_w), slice(-window_w, -shift_w), slice(-shift_w, None)):
            regions[:, rows, columns] = number
            number += 1
    ids = partition(regions, grid.window).squeeze(-1)  # (N, T)
    return (ids[:, None, :] != ids[:, :, None]) * MASK_VALUE


def reference_attention(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """See `window_attention`."""
    channels = x.shape[3]
    padded_h, padded_w = grid.padded
    weights, v = _weights_and_values(x, project, bias=bias, grid=grid, num_heads=num_heads, scale=scale)
    weights = F.dropout(weights, dropout_p)
    out = (weights.to(v.dtype) @ v).transpose(1, 2).reshape(-1, grid.tokens, channels)
    out = reverse(out, grid.window, padded_h, padded_w)
    if grid.is_shifted:
        out = torch.roll(out, grid.shift, dims=(1, 2))
    return out[:, : grid.height, : grid.width]


def attention_weights(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
) -> Tensor:
    """How much each token of a window takes of each, (B * N, h, T, T); the last axis sums to 1. Arguments are those of
    `window_attention`; which tokens they are says `token_numbers`."""
    return _weights_and_values(x, project, bias=bias, grid=grid, num_heads=num_heads, scale=scale)[0]


def token_numbers(grid: WindowGrid, device: torch.device) -> Tensor:
    """(N, T): which token of the map, counted row by row, lies at each place of each window; -1 is padding."""
    padded_h, padded_w = grid.padded
    numbers = torch.arange(grid.height * grid.width, device=device).view(grid.height, grid.width)
    numbers = F.pad(numbers, (0, padded_w - grid.width, 0, padded_h - grid.height), value=-1)
    numbers = torch.roll(numbers, (-grid.shift[0], -grid.shift[1]), dims=(0, 1))
    return partition(numbers[None, ..., None], grid.window).squeeze(-1)


def _weights_and_values(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """Attention weights (B * N, h, T, T) and values (B * N, h, T, d)."""
    batch = x.shape[0]
    x = pad_tokens(x, *grid.padded)
    if grid.is_shifted:
        x = torch.roll(x, (-grid.shift[0], -grid.shift[1]), dims=(1, 2))
    windows = partition(x, grid.window)  # (B * N, T, C)
    count, tokens, _ = windows.shape
    qkv = project(windows).reshape(count, tokens, 3, num_heads, -1).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)  # (B * N, h, T, d)
    logits = (q * scale) @ k.transpose(-2, -1)
    if bias is not None:
        logits = logits + bias
    if grid.is_shifted:
        mask = shift_mask(grid, x.device)[:, None]  # (N, 1, T, T)
        logits = (logits.view(batch, -1, num_heads, tokens, tokens) + mask).view(count, num_heads, tokens, tokens)
    return logits.softmax(-1), v
