"""A linear layer without gradients, with its bias and a GELU inside oneDNN's matrix product.

Eager PyTorch first copies the bias into the whole result, then adds the product to it, then reads all for the GELU.
Shapes: C channels, D output channels.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from swinkit.cpu.half_precision import product_format
from swinkit.cpu.packed_weights import in_best_layout
from swinkit.cpu.switch import cpu_obstacle
from swinkit.ops.constants import is_plain

PIECE = 1 << 21
"""Values in a piece, 8 MiB of float32. Half as many took 2 % longer, twice as many the same time."""


def linear_obstacle(x: Tensor, weight: Tensor) -> str | None:
    """Why `fused_linear` cannot run, in one sentence; None if it can."""
    if torch.is_grad_enabled():
        return "it has no gradient; call it under torch.no_grad()"
    obstacle = cpu_obstacle(x)
    if obstacle is not None:
        return obstacle
    if not (is_plain(weight) and weight.is_cpu):
        return "it takes an ordinary weight on the CPU"
    if x.dtype != weight.dtype or x.dtype == torch.float64:
        return "oneDNN multiplies numbers of one kind, float32 or half precision"
    if x.numel() == 0:
        return "there is nothing to multiply"
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return "this PyTorch has no oneDNN, or it is turned off by torch.backends.mkldnn"
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return "this PyTorch lacks oneDNN's linear layer with an activation"
    return None


def fused_linear(x: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """x @ weight.T + bias, and with `gelu` the exact (erf) GELU of it: (..., C) to (..., D), weight (D, C).

    It is the operation that torch.compile generates. Half precision is multiplied in float32 where the processor is
    faster in that, and rounded afterwards.
    """
    wanted = product_format(x.dtype)
    ready = in_best_layout(weight, wanted)
    if wanted == x.dtype:
        return multiply(x, ready, bias, gelu=gelu)
    rows = x.reshape(-1, x.shape[-1])
    out = rows.new_empty(rows.shape[0], weight.shape[0])
    added = None if bias is None else bias.to(wanted)
    for piece in pieces(rows.shape[0], max(weight.shape)):
        out[piece] = multiply(rows[piece].to(wanted), ready, added, gelu=gelu)
    return out.view(*x.shape[:-1], weight.shape[0])


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None, *, gelu: bool = False) -> Tensor:
    """`fused_linear` of numbers that are all in one format, with a weight from `in_best_layout`."""
    activation, algorithm = ("gelu", "none") if gelu else ("none", "")
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], algorithm)


def pieces(rows: int, width: int) -> Iterator[slice]:
    """Even slices of the rows, of at most about `PIECE` values each where a row has `width`."""
    count = max(1, -(-rows * width // PIECE))
    step = max(1, -(-rows // count))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
