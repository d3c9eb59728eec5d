"""Shifted windows the naive way, with which table 5 of the paper compares the cyclic shift: pad, and mask the padding.

Shapes: B images, H W map, C channels, N windows of one image, T tokens in a window, h heads, d head dim.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.ops.window_attention.reference import partition, reverse
from swinkit.ops.windows import MASK_VALUE, WindowGrid, pad_tokens


def padded_shift_attention(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """What `window_attention` gives for a shifted grid, with smaller windows at the borders instead of the roll.

    The windows are moved up and left by what the shift lacks to a whole one, and the map is padded to hold all of them:
    one more in each direction than the cyclic shift needs. Tokens that this adds are masked as keys and dropped as
    queries. Those that fill the map up to whole windows are not masked, as everywhere (`swinkit.ops.windows`).

    Takes and returns what `window_attention` does.
    """
    batch, height, width, channels = x.shape
    before, after = _added(grid)
    x = F.pad(pad_tokens(x, *grid.padded), (0, 0, before[1], after[1], before[0], after[0]))
    windows = partition(x, grid.window)  # (B * N, T, C)
    count, tokens, _ = windows.shape
    qkv = project(windows).reshape(count, tokens, 3, num_heads, -1).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)  # (B * N, h, T, d)
    logits = (q * scale) @ k.transpose(-2, -1)
    if bias is not None:
        logits = logits + bias
    mask = added_keys(grid, x.device)[:, None, None]  # (N, 1, 1, T)
    logits = (logits.view(batch, -1, num_heads, tokens, tokens) + mask).view(count, num_heads, tokens, tokens)
    weights = F.dropout(logits.softmax(-1), dropout_p)
    out = (weights.to(v.dtype) @ v).transpose(1, 2).reshape(count, tokens, channels)
    out = reverse(out, grid.window, x.shape[1], x.shape[2])
    return out[:, before[0] : before[0] + height, before[1] : before[1] + width]


def added_keys(grid: WindowGrid, device: torch.device) -> Tensor:
    """(N, T): -100 for the tokens that the displaced windows add around the map, 0 for the others."""
    before, after = _added(grid)
    inside = torch.zeros(1, *grid.padded, 1, device=device)
    framed = F.pad(inside, (0, 0, before[1], after[1], before[0], after[0]), value=MASK_VALUE)
    return partition(framed, grid.window).squeeze(-1)


def _added(grid: WindowGrid) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns in front of the map, and behind it; none in a direction without shift."""
    before = tuple((side - shift) if shift else 0 for side, shift in zip(grid.window, grid.shift, strict=True))
    return (before[0], before[1]), grid.shift
