"""The relative position bias: which entry of its table two tokens share, and the table at another window size.

Paper section 3.2, equation 4. Shapes: T tokens in a window, h heads.
"""

from __future__ import annotations

import math
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.ops.constants import cached_constant, is_plain, is_plain_cpu


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
    """The bias of every head and pair of tokens: table (rows, h) to (h, T, T)."""
    build = _cached_relative_position_index if is_plain(table) else build_relative_position_index
    index = build(window, table_window, table.device)
    tokens = window[0] * window[1]
    # Of the two, indexing has a gradient that is the same on every run on a GPU, and selecting is simple to export.
    wants_gradient = table.requires_grad and torch.is_grad_enabled()
    rows = table[index.view(-1)] if wants_gradient else table.index_select(0, index.view(-1))
    return rows.view(tokens, tokens, table.shape[1]).permute(2, 0, 1).contiguous()


class RememberedBias:
    """`relative_position_bias`, gathered again only where the table has changed: for inference on a CPU.

    What changed is told by the table's values, a hundredth of the bias: whoever writes them, and by whatever way, no
    old bias is ever used. Copies and pickles of it are empty.
    """

    def __init__(self) -> None:
        self._known: tuple[tuple[int, int], Tensor, Tensor] | None = None

    def __call__(self, table: Tensor, window: tuple[int, int], table_window: tuple[int, int]) -> Tensor:
        """The bias (h, T, T); the very tensor of the last call where nothing has changed."""
        if torch.is_grad_enabled() or not is_plain_cpu(table):
            return relative_position_bias(table, window, table_window)
        known = self._known  # read once: threads may share a model
        if known is not None and known[0] == window and known[1].dtype == table.dtype and torch.equal(known[1], table):
            return known[2]
        with torch.inference_mode(False), torch.no_grad():  # so that it serves outside of inference mode, too
            table = table.detach().clone()
            bias = relative_position_bias(table, window, table_window)
        self._known = window, table, bias
        return bias

    def __deepcopy__(self, memo: object) -> Self:
        return type(self)()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()


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
