"""The two-layer perceptron of a block: the formula, or on a CPU its rows in pieces.

Shapes: C channels, F hidden width.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from swinkit.cpu.mlp import mlp_in_pieces, mlp_obstacle, pieces_pay
from swinkit.ops.backends import Backend, chooses_cpu


def reference_mlp(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """See `mlp`."""
    return F.linear(F.gelu(F.linear(x, w1, b1)), w2, b2)


def mlp(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, *, backend: Backend = "auto") -> Tensor:
    """gelu(x @ w1.T + b1) @ w2.T + b2 with the exact (erf) GELU: (..., C) to (..., C'), w1 (F, C), w2 (C', F).

    See `Backend`.
    """
    obstacle = mlp_obstacle(x, w1, b1, w2, b2)
    pays = obstacle is None and pieces_pay(x, w1.shape[0])  # in this order: tracers may not branch on free sizes
    if chooses_cpu("mlp", backend, obstacle=obstacle, pays=pays):
        return mlp_in_pieces(x, w1, b1, w2, b2)
    return reference_mlp(x, w1, b1, w2, b2)
