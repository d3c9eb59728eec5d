"""The relative position bias of inference, gathered again only where its table has changed.

Shapes: T tokens in a window, h heads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from swinkit.cpu.by_tensor import ByTensor
from swinkit.cpu.switch import cpu_obstacle

Size = tuple[int, int]


class _Remembered(NamedTuple):
    """A bias (h, T, T), and what it was gathered from; `table` is a copy."""

    window: Size
    table_window: Size
    table: Tensor
    bias: Tensor


_remembered: ByTensor[_Remembered] = ByTensor()
"""By table: the `_Remembered` of the last window."""


def bias_obstacle(table: Tensor) -> str | None:
    """Why the bias of this table may not be remembered, in one sentence; None if it may."""
    return "a remembered bias has no gradient" if torch.is_grad_enabled() else cpu_obstacle(table)


def remembered_bias(
    gather: Callable[[Tensor, Size, Size], Tensor], table: Tensor, window: Size, table_window: Size
) -> Tensor:
    """gather(table, window, table_window); the very tensor of the last call where nothing has changed.

    What changed is told by the table's values, a hundredth of the bias: whoever writes them, and by whatever way, no
    old bias is ever used.
    """
    known = _remembered.get(table)  # read once: threads may share a model
    if known is None or not _is_still(known, table, window, table_window):
        with torch.inference_mode(False), torch.no_grad():  # so that it serves outside of inference mode, too
            copy = table.detach().clone()
            known = _Remembered(window, table_window, copy, gather(copy, window, table_window))
        _remembered[table] = known
    return known.bias


def _is_still(known: _Remembered, table: Tensor, window: Size, table_window: Size) -> bool:
    return (
        (known.window, known.table_window) == (window, table_window)
        and known.table.dtype == table.dtype
        and torch.equal(known.table, table)
    )
