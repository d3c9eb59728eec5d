"""Softmax without denormal numbers, which a processor multiplies by thirty times slower than by others."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.cpu.switch import is_fast_cpu
from swinkit.ops.tracing import is_plainly_run

LEAST_WEIGHT = 1e-30
"""The mask makes weights of exp(-100), a denormal number in float32, and the gradient has more of them. Beside weights
that sum to 1, 1e-30 is nothing: results are the same to rounding. GPUs do not slow down, and traced programs have a
mask that leaves exactly 0."""


def softmax_without_denormals(logits: Tensor) -> Tensor:
    """softmax(logits) over the last dimension, on a CPU with weights below `LEAST_WEIGHT` set to 0."""
    is_cpu = logits.device.type == "cpu" and is_fast_cpu()
    if torch.compiler.is_compiling() or not is_cpu or not is_plainly_run():
        return logits.softmax(-1)
    return _Softmax.apply(logits)


class _Softmax(torch.autograd.Function):
    """The gradient is that of softmax, from the weights as they were returned: it too has no denormal numbers."""

    @staticmethod
    def forward(logits: Tensor) -> Tensor:
        p = logits.softmax(-1)
        return F.threshold(p, LEAST_WEIGHT, 0.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)
        ctx.dtype = inputs[0].dtype

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (p,) = ctx.saved_tensors
        return torch.ops.aten._softmax_backward_data(gradient, p, -1, p.dtype).to(ctx.dtype)
