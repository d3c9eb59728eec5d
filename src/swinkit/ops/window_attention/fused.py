"""Window attention by the fused Triton kernels, and why they cannot run where they cannot.

Shapes: B images, H W map, C channels, T tokens in a window, h heads, d head dim.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable

import torch
from torch import Tensor

from swinkit.ops.window_attention.proof import fault
from swinkit.ops.window_attention.triton_launch import device_of
from swinkit.ops.window_attention.triton_op import fused_attention
from swinkit.ops.window_attention.triton_plan import MOST_HEAD_DIM, MOST_TOKENS, fits
from swinkit.ops.windows import WindowGrid, are_symbols, is_padded

DTYPES = (torch.float16, torch.bfloat16, torch.float32)
LEAST_CAPABILITY = (8, 0)
MOST_NUMBERS = 2**31
"""In qkv of one image: kernels count within an image with 32 bits."""


def triton_attention(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """See `window_attention`. Projects in image order; one kernel does the rest, and two or three the gradients.

    The gradients of the bias and of padded tokens are sums over windows in varying order, unless
    `torch.use_deterministic_algorithms(True)` is on. There is no second derivative.
    """
    padding = project(x.new_zeros(1, x.shape[-1])).flatten() if is_padded(grid) else None
    return fused_attention(
        project(x),
        padding,
        bias,
        num_heads,
        list(grid.window),
        list(grid.shift),
        float(scale),
        torch.are_deterministic_algorithms_enabled(),
    )


def triton_obstacle(x: Tensor, grid: WindowGrid, num_heads: int, dropout_p: float) -> str | None:
    """Why the fused kernels cannot run for these arguments of `window_attention`, in one sentence; None if they can.

    The last obstacle is that they do not compute what the reference does, see `fused_fault`."""
    obstacle = device_obstacle(x.device)
    if obstacle is not None:
        return obstacle
    head_dim = x.shape[-1] // num_heads
    if dropout_p > 0:
        return "it has no dropout of attention weights; set attn_drop_rate to 0 or choose another backend"
    if x.dtype not in DTYPES:
        return f"it computes in float16, bfloat16 or float32, and the tokens are {str(x.dtype).removeprefix('torch.')}"
    if head_dim > MOST_HEAD_DIM:
        return f"it takes heads of up to {MOST_HEAD_DIM} channels, and these have {head_dim}"
    if are_symbols(*grid.window):
        return "the window depends on the image, whose size is free under torch.export; choose another backend"
    if grid.tokens > MOST_TOKENS:
        return f"it takes windows of up to {MOST_TOKENS} tokens, and these have {grid.tokens}"
    return _size_obstacle(x, grid, head_dim) or fused_fault(x.device, _computed_dtype(x), grid.window, head_dim)


@torch.compiler.assume_constant_result
def fused_fault(device: torch.device, dtype: torch.dtype, window: tuple[int, int], head_dim: int) -> str | None:
    """What the first use of the kernels for this window and head dim has shown to be wrong with them; None if nothing.

    In the interpreter, where a comparison takes seconds, nothing is compared.
    """
    if device.type != "cuda":
        return None
    return fault(triton_attention, device, dtype=dtype, window=window, head_dim=head_dim)


def _size_obstacle(x: Tensor, grid: WindowGrid, head_dim: int) -> str | None:
    item_size = _computed_dtype(x).itemsize
    if not _fits(x.device, grid.tokens, head_dim, item_size):
        return (
            f"windows of {grid.tokens} tokens with heads of {head_dim} channels of {item_size} bytes need more shared "
            "memory than this device has"
        )
    if not are_symbols(*x.shape) and grid.height * grid.width * 3 * x.shape[-1] >= MOST_NUMBERS:
        return f"a map of {grid.height} x {grid.width} x {x.shape[-1]} is too large for it; choose another backend"
    return None


def _computed_dtype(x: Tensor) -> torch.dtype:
    """Of what the projection gives: autocast's, where it is on."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


@torch.compiler.assume_constant_result
def device_obstacle(device: torch.device) -> str | None:
    """Why the fused kernels cannot run on this device, or None."""
    return _device_obstacle(device, os.environ.get("TRITON_INTERPRET") == "1")


@functools.cache
def _device_obstacle(device: torch.device, is_interpreted: bool) -> str | None:
    if importlib.util.find_spec("triton") is None:
        return "it needs Triton, which is not installed here; it comes with PyTorch for CUDA on Linux"
    if is_interpreted and device.type == "cpu":
        return None
    if device.type != "cuda":
        return f"it runs on CUDA devices, and the tokens are on {device.type}"
    if not torch.cuda.is_available() or torch.version.hip is not None:
        return "it has been written for NVIDIA devices, and there is none here"
    if torch.cuda.get_device_capability(device) < LEAST_CAPABILITY:
        return "it needs a device of compute capability 8.0 (Ampere) or later"
    return None


@torch.compiler.assume_constant_result
def _fits(device: torch.device, tokens: int, head_dim: int, item_size: int) -> bool:
    return fits(tokens=tokens, head_dim=head_dim, item_size=item_size, device=device_of(device))
