"""Shifted window attention: one signature, several ways to compute it (paper section 3.2).

Shapes: B images, H W map, C channels, T tokens in a window, h heads.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from swinkit.cpu.attention import attention_obstacle, cpu_attention
from swinkit.errors import InputError
from swinkit.ops.tracing import is_transformed
from swinkit.ops.window_attention.fused import triton_attention, triton_obstacle
from swinkit.ops.window_attention.gathered import matmul_attention, sdpa_attention
from swinkit.ops.window_attention.proof import is_fault
from swinkit.ops.window_attention.reference import reference_attention
from swinkit.ops.window_attention.triton_plan import MOST_TOKENS, side
from swinkit.ops.windows import WindowGrid, are_symbols

AttentionBackend = Literal["auto", "reference", "matmul", "sdpa", "triton", "cpu"]

__all__ = ["AttentionBackend", "backend_obstacle", "check_backend", "choose_backend", "window_attention"]

# What "auto" takes on a CUDA device, the first that can run, by T rounded up to a power of two. The fused kernels have
# not yet run on a GPU; when they have, benchmarks/gpu_attention.py measures where "triton" comes first.
PREFERRED_ON_CUDA: Mapping[int, tuple[AttentionBackend, ...]] = dict.fromkeys((16, 32, 64, 128, 256), ("sdpa",))

_log = logging.getLogger(__name__)

ATTEND = {
    "reference": reference_attention,
    "matmul": matmul_attention,
    "sdpa": sdpa_attention,
    "triton": triton_attention,
    "cpu": cpu_attention,
}


def check_backend(backend: str) -> None:
    """Raise an InputError where there is no such way to compute attention."""
    if backend not in get_args(AttentionBackend):
        raise InputError(f"there is no attention backend {backend!r}; choose one of {get_args(AttentionBackend)}")


def backend_obstacle(
    backend: AttentionBackend, x: Tensor, *, grid: WindowGrid, num_heads: int, dropout_p: float = 0.0
) -> str | None:
    """Why a backend cannot run for these arguments of `window_attention`, in one sentence; None if it can.

    "reference" and "matmul" run everywhere, and so does "auto".
    """
    if backend == "sdpa":
        return sdpa_obstacle(grid)
    if backend == "triton":
        return triton_obstacle(x, grid, num_heads, dropout_p)
    if backend == "cpu":
        return attention_obstacle(x, dropout_p)
    return None


def sdpa_obstacle(grid: WindowGrid) -> str | None:
    """Why "sdpa" cannot run, or None."""
    if are_symbols(grid.height, grid.width):
        return "it needs to know which mask kinds there are, and sizes are free under torch.export; choose matmul"
    return None


def choose_backend(
    x: Tensor, *, bias: Tensor | None, grid: WindowGrid, num_heads: int, dropout_p: float = 0.0
) -> AttentionBackend:
    """What "auto" is for these arguments of `window_attention`.

    On a CUDA device the first of `PREFERRED_ON_CUDA` that can run, with one warning where the kernels of one before it
    fail the comparison of their first use. On a CPU "cpu" where it can run, for inference and where the bias must get a
    gradient, for which sdpa has no fast path there; "matmul" for such a bias otherwise, else "sdpa". Exported programs
    get what runs everywhere, "matmul" where sizes are free. What torch.jit.trace records is "reference", in which the
    batch size stays free; what torch.func or forward-mode differentiation transforms is "matmul".
    """
    if torch.jit.is_tracing():
        return "reference"
    if is_transformed():
        return "matmul"
    if are_symbols(*x.shape):
        return "matmul"
    if x.is_cuda and not torch.compiler.is_exporting():
        for backend in PREFERRED_ON_CUDA[side(min(grid.tokens, MOST_TOKENS))]:
            obstacle = backend_obstacle(backend, x, grid=grid, num_heads=num_heads, dropout_p=dropout_p)
            if obstacle is None:
                return backend
            if is_fault(obstacle):
                _warn_once(f"Attention is computed by another way than {backend!r}: {obstacle}.")
    trains_bias = not x.is_cuda and bias is not None and bias.requires_grad
    if (trains_bias or not torch.is_grad_enabled()) and attention_obstacle(x, dropout_p) is None:
        return "cpu"
    return "matmul" if trains_bias else "sdpa"


@functools.cache
def _warn_once(text: str) -> None:
    _log.warning(text)


def window_attention(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
    dropout_p: float = 0.0,
    backend: AttentionBackend = "auto",
) -> Tensor:
    """Multi-head self-attention within each (shifted) window, from image order to image order.

    Args:
        x: tokens (B, H, W, C), after the block's first LayerNorm.
        project: the qkv projection, (..., C) to (..., 3 C): q, k and v, each (h, C / h). It is a function because some
            ways project in image order and some in window order. Padded tokens are zeros before it, as in the published
            dense code, so their q, k and v are its bias, and they are attended to.
        bias: relative position bias (h, T, T), or None.
        grid: padding, shift and windows of this map.
        num_heads: h.
        scale: what q is multiplied with, usually (C / h) ** -0.5.
        dropout_p: dropout on the attention weights, 0..1; 0 in evaluation.
        backend: "reference" is the definition; "sdpa" uses scaled_dot_product_attention; "matmul" two batched matrix
            products; "triton" the fused kernels of `fused`; "cpu" what is laid out by hand in `swinkit.cpu.attention`.
            For "auto" see `choose_backend`.

    Returns:
        (B, H, W, C) before the output projection.

    Raises:
        InputError: where the backend that was asked for cannot run, see `backend_obstacle`.
    """
    if backend == "auto":
        backend = choose_backend(x, bias=bias, grid=grid, num_heads=num_heads, dropout_p=dropout_p)
    else:
        obstacle = backend_obstacle(backend, x, grid=grid, num_heads=num_heads, dropout_p=dropout_p)
        if obstacle is not None:
            raise InputError(f"attention backend {backend!r} cannot run: {obstacle}")
    return ATTEND[backend](x, project, bias=bias, grid=grid, num_heads=num_heads, scale=scale, dropout_p=dropout_p)
