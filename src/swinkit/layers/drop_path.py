"""Stochastic depth: whole residual branches dropped, sample by sample (paper A2.1; Huang et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swinkit.ops.tracing import is_fx, is_transformed, leaf


class DropPath(nn.Module):
    """Drops its input for a random share `rate` of the samples and scales the others by 1 / (1 - rate).

    Acts in training only. Shape (B, ...), kept.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if is_fx(x):
            return leaf(self, x)
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        # bernoulli_ would need code of its own for every rate, and writes into what vmap shares between samples.
        if torch.compiler.is_compiling() or is_transformed():
            return x * ((torch.rand(shape, device=x.device) < keep).to(x.dtype) / keep)
        return x * x.new_empty(shape).bernoulli_(keep).div_(keep)

    def extra_repr(self) -> str:
        return f"rate={self.rate:.3f}"
