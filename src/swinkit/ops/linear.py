"""A linear layer: the formula, or on a CPU one product with its bias inside.

Shapes: C channels, D output channels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from swinkit.cpu.linear import fused_linear, linear_obstacle
from swinkit.ops.backends import Backend, chooses_cpu


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, *, backend: Backend = "auto") -> Tensor:
    """x @ weight.T + bias: (..., C) to (..., D), weight (D, C); see `Backend`."""
    if chooses_cpu("linear", backend, obstacle=linear_obstacle(x, weight)):
        return fused_linear(x, weight, bias)
    return F.linear(x, weight, bias)
