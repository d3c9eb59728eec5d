"""A linear layer of a CPU without gradients, with its bias and a GELU inside oneDNN's matrix product.

Eager PyTorch first copies the bias into the whole result, then adds the product to it, then reads all for the GELU.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from swinkit.ops.constants import is_plain_cpu


class _Packed(NamedTuple):
    """A weight (D, C) in oneDNN's own layout, and what tells whether it is still that of the weight."""

    version: int
    first_row: Tensor
    weight: Tensor


_packed: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
"""By weight: a `_Packed`, or None until it is needed. Only weights that `keep_packed` was called with are here."""


def keep_packed(weight: Tensor) -> None:
    """From now on `linear` keeps this weight (D, C) in oneDNN's layout, too, which it otherwise makes on every call.

    That takes the memory of the weight once more. A weight that changes is packed again: changes are seen by the
    version that PyTorch counts and, for those through `.data`, which it does not count, by the first row.
    """
    _packed.setdefault(weight, None)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """x @ weight.T + bias, and with `gelu` the exact (erf) GELU of it: (..., C) to (..., D), weight (D, C).

    Ordinary float32 tensors on a CPU take the operation that torch.compile generates for them, where PyTorch has it.
    """
    if _can_fuse(x, weight):
        activation, algorithm = ("gelu", "none") if gelu else ("none", "")
        return torch.ops.mkldnn._linear_pointwise(x, _in_best_layout(weight), bias, activation, [], algorithm)
    x = F.linear(x, weight, bias)
    return F.gelu(x) if gelu else x


def _in_best_layout(weight: Tensor) -> Tensor:
    """The packed weight where it is kept, else the weight."""
    if weight not in _packed or weight.is_inference():
        return weight
    known = _packed[weight]
    if known is None or known.version != weight._version or not torch.equal(known.first_row, weight[0]):
        with torch.inference_mode(False), torch.no_grad():
            packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
            known = _Packed(weight._version, weight[0].detach().clone(), packed)
        _packed[weight] = known
    return known.weight


def _can_fuse(x: Tensor, weight: Tensor) -> bool:
    return (
        not torch.is_grad_enabled()
        and is_plain_cpu(x)
        and is_plain_cpu(weight)
        and x.dtype == weight.dtype == torch.float32
        and x.numel() > 0
        and torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
