"""The relative position bias: which entry of its table two tokens share, and the table at another window size.

Paper section 3.2, equation 4. Shapes: T tokens in a window, h heads.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.cpu.remembered_bias import bias_obstacle, remembered_bias
from swinkit.ops.constants import cached_constant, is_plain


def build_relative_position_index(
    window: tuple[int, int], table_window: tuple[int, int], device: torch.device
) -> Tensor:
    """Row of the table for every pair of tokens: (T, T) int64 for a window no larger than the table's.

    The table of a (Wh, Ww) window has (2 Wh - 1) * (2 Ww - 1) rows, one for each offset, the vertical one varying
    slowest. A smaller window uses the offsets it has, so the same two neighbours always share the same bias.
    """
    y = torch.arange(window[0], device=device)[:, None].expand(window).reshape(-1)
    x = torch.arange(window[1], device=device).expand(window).reshape(-1)
    rows = y[:, None] - y + (table_window[0] - 1)
    columns = x[:, None] - x + (table_window[1] - 1)
    return rows * (2 * table_window[1] - 1) + columns


_cached_relative_position_index = cached_constant(build_relative_position_index)


def relative_position_bias(table: Tensor, window: tuple[int, int], table_window: tuple[int, int]) -> Tensor:
    """The bias of every head and pair of tokens: table (rows, h) to (h, T, T). Do not write into it: on a CPU, without
    gradients, the next call returns the same tensor."""
    if bias_obstacle(table) is None:
        return remembered_bias(gather_bias, table, window, table_window)
    return gather_bias(table, window, table_window)


def gather_bias(table: Tensor, window: tuple[int, int], table_window: tuple[int, int]) -> Tensor:
    """`relative_position_bias` as a tensor of its own."""
    build = _cached_relative_position_index if is_plain(table) else build_relative_position_index
    index = build(window, table_window, table.device)
    tokens = window[0] * window[1]
    # Of the two, indexing has a gradient that is the same on every run on a GPU, and selecting is simple to export.
    wants_gradient = table.requires_grad and torch.is_grad_enabled() and not torch.jit.is_tracing()
    rows = table[index.view(-1)] if wants_gradient else table.index_select(0, index.view(-1))
    return rows.view(tokens, tokens, table.shape[1]).permute(2, 0, 1).contiguous()


def resize_relative_position_table(table: Tensor, size: tuple[int, int]) -> Tensor:
    """The table of a square window at another size, bicubic as in the published code (align_corners False).

    Args:
        table: (S * S, h), where S is 2 * window - 1.
        size: rows and columns of the wanted table, (2 * Wh - 1, 2 * Ww - 1).

    Returns:
        (size[0] * size[1], h) in the table's dtype; the table itself where the size is the same.

    Raises:
        ValueError: where the table is not that of a square window.
    """
    side = math.isqrt(table.shape[0])
    if side * side != table.shape[0]:
        raise ValueError(f"a bias table of {table.shape[0]} rows is not that of a square window")
    if (side, side) == tuple(size):
        return table
    grid = table.float().T.reshape(1, -1, side, side)
    resized = F.interpolate(grid, size=tuple(size), mode="bicubic", align_corners=False)
    return resized.reshape(table.shape[1], -1).T.contiguous().to(table.dtype)
