"""The fused kernels compared with the reference, once for each kind of call, before their results are believed.

Shapes: T tokens in a window, h heads, d head dim, C = h d channels.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.errors import reason_of
from swinkit.ops.constants import is_plain
from swinkit.ops.window_attention.reference import reference_attention
from swinkit.ops.windows import WindowGrid

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""Of the norm of values and of each gradient; the reference computes in float32."""
HEADS = 2

_found: dict[tuple[torch.device, torch.dtype, tuple[int, int], int], str | None] = {}
_lock = threading.RLock()

Attention = Callable[..., Tensor]


def fault(
    attend: Attention, device: torch.device, *, dtype: torch.dtype, window: tuple[int, int], head_dim: int
) -> str | None:
    """Why `attend`, called like `window_attention`, may not be believed here, in one clause; None where it agrees with
    the reference in values and gradients.

    A small random map with a shift and padding is computed once for each device, dtype, window and head dim.

    Args:
        attend: see `reference_attention`.
        device: where.
        dtype: of the tokens after projection.
        window: height and width in tokens.
        head_dim: d.
    """
    key = (device, dtype, window, head_dim)
    with _lock:
        if key not in _found:
            if _is_no_time_to_compute(device):
                return None
            _found[key] = _compared(attend, device, dtype, window, head_dim)
        return _found[key]


def is_fault(obstacle: str) -> bool:
    """Whether this is what a comparison has found, not a case that the kernels were never made for."""
    return obstacle in _found.values()


def _is_no_time_to_compute(device: torch.device) -> bool:
    """Whether tensors have no data now, or what is computed now would become a part of somebody's graph."""
    is_captured = device.type == "cuda" and torch.cuda.is_current_stream_capturing()
    return is_captured or not is_plain(torch.empty(0, device=device))


def _compared(
    attend: Attention, device: torch.device, dtype: torch.dtype, window: tuple[int, int], head_dim: int
) -> str | None:
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(device.type, enabled=False),
        ):
            ours = _values_and_gradients(attend, device, dtype, window, head_dim)
            theirs = _values_and_gradients(reference_attention, device, torch.float32, window, head_dim)
    except Exception as error:  # a compiler or driver that cannot do it says so in its own ways
        return f"its kernel cannot be run here ({reason_of(error)})"
    names = ("values", "gradients of tokens", "gradients of weights", "gradients of the bias")
    for name, one, other in zip(names, ours, theirs, strict=True):
        difference = ((one.float() - other).norm() / other.norm().clamp_min(1e-6)).item()
        if not difference < TOLERANCE[dtype]:
            return f"its {name} differ from the reference by {difference:.1e} of their norm here"
    return None


def _values_and_gradients(
    attend: Attention, device: torch.device, dtype: torch.dtype, window: tuple[int, int], head_dim: int
) -> tuple[Tensor, ...]:
    """The same numbers for every dtype and device, and nobody else's random numbers."""
    draws = torch.Generator().manual_seed(0)
    channels, tokens = HEADS * head_dim, window[0] * window[1]
    shift = (window[0] // 2, window[1] // 2)
    grid = WindowGrid(window[0] + 1, window[1] + 1, window, shift)

    def leaf(*size: int, scale: float = 1.0) -> Tensor:
        values = scale * torch.randn(size, generator=draws)
        return values.to(torch.bfloat16).to(device=device, dtype=dtype).requires_grad_()

    x = leaf(1, grid.height, grid.width, channels)
    weight, bias = leaf(3 * channels, channels, scale=channels**-0.5), leaf(HEADS, tokens, tokens)
    out = attend(
        x,
        lambda tokens: F.linear(tokens, weight),
        bias=bias,
        grid=grid,
        num_heads=HEADS,
        scale=head_dim**-0.5,
        dropout_p=0.0,
    )
    upstream = torch.randn(out.shape, generator=draws).to(torch.bfloat16).to(device=device, dtype=dtype)
    return (out.detach(), *torch.autograd.grad(out, (x, weight, bias), upstream))
