"""A linear layer of a CPU without gradients, with its bias and a GELU inside oneDNN's matrix product.

Eager PyTorch first copies the bias into the whole result, then adds the product to it, then reads all for the GELU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.ops.constants import is_plain_cpu


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """x @ weight.T + bias, and with `gelu` the exact (erf) GELU of it: (..., C) to (..., D), weight (D, C).

    Ordinary float32 tensors on a CPU take the operation that torch.compile generates for them, where PyTorch has it.
    """
    if _can_fuse(x, weight):
        activation, algorithm = ("gelu", "none") if gelu else ("none", "")
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], algorithm)
    x = F.linear(x, weight, bias)
    return F.gelu(x) if gelu else x


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
