"""A linear layer without gradients, with its bias and a GELU inside oneDNN's matrix product.

Eager PyTorch first copies the bias into the whole result, then adds the product to it, then reads all for the GELU.
Shapes: C channels, D output channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from swinkit.cpu.packed_weights import in_best_layout
from swinkit.cpu.switch import cpu_obstacle


def linear_obstacle(x: Tensor, weight: Tensor) -> str | None:
    """Why `fused_linear` cannot run, in one sentence; None if it can."""
    if torch.is_grad_enabled():
        return "it has no gradient; call it under torch.no_grad()"
    obstacle = cpu_obstacle(x) or cpu_obstacle(weight)
    if obstacle is not None:
        return obstacle
    if not x.dtype == weight.dtype == torch.float32:
        return "oneDNN multiplies float32 with float32"
    if x.numel() == 0:
        return "there is nothing to multiply"
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return "this PyTorch has no oneDNN, or it is turned off by torch.backends.mkldnn"
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return "this PyTorch lacks oneDNN's linear layer with an activation"
    return None


def fused_linear(x: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """x @ weight.T + bias, and with `gelu` the exact (erf) GELU of it: (..., C) to (..., D), weight (D, C).

    It is the operation that torch.compile generates.
    """
    activation, algorithm = ("gelu", "none") if gelu else ("none", "")
    return torch.ops.mkldnn._linear_pointwise(x, in_best_layout(weight), bias, activation, [], algorithm)
