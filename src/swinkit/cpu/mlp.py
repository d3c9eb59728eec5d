"""The MLP of a block without ever holding the wide hidden map twice.

Rows are worked on in pieces whose hidden values stay in the processor's cache: eager PyTorch would write and read them
in main memory for the product, its bias, the GELU and the second product each.
Shapes: R rows (tokens), C channels, F hidden width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.cpu.half_precision import product_format
from swinkit.cpu.linear import linear_obstacle, multiply, pieces
from swinkit.cpu.packed_weights import in_best_layout
from swinkit.cpu.switch import cpu_obstacle
from swinkit.ops.constants import is_plain

LEAST_TO_SPLIT = 1 << 21
"""Hidden values from which on rows go in pieces while training, 8 MiB of float32: from there on it takes at most as
long as the formula, and keeps one hidden map less for the gradient."""


def mlp_obstacle(x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> str | None:
    """Why `mlp_in_pieces` cannot run, in one sentence; None if it can."""
    obstacle = cpu_obstacle(x)
    if obstacle is not None:
        return obstacle
    if not all(is_plain(each) for each in (weight1, bias1, weight2, bias2)):
        return "it takes ordinary tensors, and one of the weights is none"
    return None


def pieces_pay(x: Tensor, hidden: int) -> bool:
    """Whether `mlp_in_pieces` is the faster way for x (..., C) with F = hidden."""
    return x.shape[:-1].numel() * hidden > (LEAST_TO_SPLIT if torch.is_grad_enabled() else 0)


def mlp_in_pieces(x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
    """gelu(x @ weight1.T + bias1) @ weight2.T + bias2, for x (..., C), weight1 (F, C), weight2 (C', F).

    The gradient recomputes the GELU from what came before it, so less is kept than by the layers one by one.
    """
    rows = x.reshape(-1, x.shape[-1])
    if torch.is_grad_enabled() and any(each.requires_grad for each in (x, weight1, bias1, weight2, bias2)):
        out = _Mlp.apply(rows, weight1, bias1, weight2, bias2)
    else:
        out = _infer(rows, weight1, bias1, weight2, bias2)
    return out.view(*x.shape[:-1], weight2.shape[0])


def _infer(x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
    can_fuse = linear_obstacle(x, weight1) is None
    wanted = product_format(x.dtype)
    if can_fuse:
        ready1, ready2 = in_best_layout(weight1, wanted), in_best_layout(weight2, wanted)
        added1, added2 = bias1.to(wanted), bias2.to(wanted)

    def infer(rows: Tensor) -> Tensor:
        if can_fuse:
            return multiply(multiply(rows.to(wanted), ready1, added1, gelu=True), ready2, added2)
        return F.linear(F.gelu(F.linear(rows, weight1, bias1)), weight2, bias2)

    several = list(pieces(x.shape[0], weight1.shape[0]))
    if len(several) == 1:
        return infer(x).to(x.dtype)
    out = x.new_empty(x.shape[0], weight2.shape[0])
    for piece in several:
        out[piece] = infer(x[piece])
    return out


class _Mlp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, bias2: Tensor) -> Tensor:
        out, kept = x.new_empty(x.shape[0], weight2.shape[0]), []
        for piece in pieces(x.shape[0], weight1.shape[0]):
            kept.append(torch.addmm(bias1, x[piece], weight1.t()))  # what comes before the GELU
            torch.addmm(bias2, F.gelu(kept[-1]), weight2.t(), out=out[piece])
        ctx.save_for_backward(x, weight1, bias1, weight2, bias2, *kept)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight1, bias1, weight2, bias2, *kept = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiable_gradients((x, weight1, bias1, weight2, bias2), ctx.needs_input_grad, gradient)
        dx, dw1, dw2 = torch.empty_like(x), torch.zeros_like(weight1), torch.zeros_like(weight2)
        db1 = torch.zeros_like(bias1)
        for before, piece in zip(kept, pieces(x.shape[0], weight1.shape[0]), strict=True):
            g = gradient[piece]
            dw2.addmm_(g.t(), F.gelu(before))
            d_hidden = torch.ops.aten.gelu_backward(g @ weight2, before)
            db1 += d_hidden.sum(0)
            dw1.addmm_(d_hidden.t(), x[piece])
            torch.mm(d_hidden, weight1, out=dx[piece])
        return dx, dw1, db1, dw2, gradient.sum(0)


def _differentiable_gradients(
    inputs: tuple[Tensor, ...], needed: tuple[bool, ...], gradient: Tensor
) -> tuple[Tensor | None, ...]:
    """The gradients as autograd makes them, for someone who differentiates them again."""
    x, weight1, bias1, weight2, bias2 = inputs
    out = F.linear(F.gelu(F.linear(x, weight1, bias1)), weight2, bias2)
    wanted = [each for each, is_needed in zip(inputs, needed, strict=True) if is_needed]
    found = iter(torch.autograd.grad(out, wanted, gradient, create_graph=True))
    return tuple(next(found) if is_needed else None for is_needed in needed)
