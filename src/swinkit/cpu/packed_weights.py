"""Weights of linear layers in oneDNN's own layout, kept beside the weights: for inference.

Shapes: C channels, D output channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from swinkit.cpu.by_tensor import ByTensor


class _Packed(NamedTuple):
    """A weight (D, C) in oneDNN's own layout, and what tells whether it is still that of the weight."""

    version: int
    first_row: Tensor
    weight: Tensor


_NOT_YET = _Packed(-1, torch.empty(0), torch.empty(0))
_packed: ByTensor[_Packed] = ByTensor()
"""`_NOT_YET` until it is needed. Only weights that `keep_packed` was called with are here."""


def keep_packed(weight: Tensor) -> None:
    """From now on keep this weight (D, C) in oneDNN's layout, too, which a product otherwise makes on every call.

    That takes the memory of the weight once more. A weight that changes is packed again: changes are seen by the
    version that PyTorch counts and, for those through `.data`, which it does not count, by the first row.
    """
    if _packed.get(weight) is None:
        _packed[weight] = _NOT_YET


def in_best_layout(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """The packed weight where it is kept, else the weight; either in `dtype`."""
    known = _packed.get(weight)
    if known is None or weight.is_inference():
        return weight.to(dtype)
    if known.version != weight._version or not torch.equal(known.first_row, weight[0]):
        with torch.inference_mode(False), torch.no_grad():
            packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(dtype))
            known = _Packed(weight._version, weight[0].detach().clone(), packed)
        _packed[weight] = known
    return known.weight
