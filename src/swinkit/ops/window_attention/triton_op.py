"""The fused kernels as operators of PyTorch: `swinkit::window_attention` and its backward.

Both are opaque to torch.compile and torch.export, which see shapes (the fakes) and the gradient. Nothing here needs
Triton before a kernel is launched, so the operators exist, and programs that hold them load, where it is missing.

Shapes: B images, H W map, C channels, T tokens in a window, h heads, d head dim.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swinkit.ops.window_attention.triton_launch import Problem, run_backward, run_forward
from swinkit.ops.windows import WindowGrid


@torch.library.custom_op("swinkit::window_attention", mutates_args=())
def fused_attention(
    qkv: Tensor,
    padding: Tensor | None,
    bias: Tensor | None,
    num_heads: int,
    window: Sequence[int],
    shift: Sequence[int],
    scale: float,
    deterministic: bool,
) -> Tensor:
    """Attention within (shifted) windows, from image order to image order.

    Args:
        qkv: (B, H, W, 3 C) as the projection gives it: q, k and v, each (h, d). fp16, bf16 or fp32.
        padding: (3 C), what the projection makes of a padded token; None where the map is whole windows.
        bias: relative position bias (h, T, T), or None.
        num_heads: h.
        window: height and width, in tokens.
        shift: down and right, in tokens, each less than the window's.
        scale: what q is multiplied with.
        deterministic: of the backward pass, whether sums over windows always go in the same order.

    Returns:
        (B, H, W, C) in the dtype of qkv.
    """
    return run_forward(_problem(qkv, padding, bias, num_heads, window, shift, scale))


@torch.library.custom_op("swinkit::window_attention_backward", mutates_args=())
def fused_attention_backward(
    d_out: Tensor,
    qkv: Tensor,
    padding: Tensor | None,
    bias: Tensor | None,
    num_heads: int,
    window: Sequence[int],
    shift: Sequence[int],
    scale: float,
    deterministic: bool,
    wants_bias: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of qkv (B, H, W, 3 C), padding (3 C) and bias (h, T, T); of no elements where there is no such input.

    The last two are sums over windows, in fp32: atomic ones, or with `deterministic` in a fixed order, which takes
    memory for a sum of every program. `wants_bias` False leaves the gradient of the bias out.
    """
    problem = _problem(qkv, padding, bias, num_heads, window, shift, scale)
    gradients = run_backward(problem, d_out.contiguous(), wants_bias=wants_bias, deterministic=deterministic)
    d_qkv, d_padding, d_bias = gradients
    return d_qkv, _or_nothing(d_padding, qkv), _or_nothing(d_bias, qkv)


def _problem(
    qkv: Tensor,
    padding: Tensor | None,
    bias: Tensor | None,
    num_heads: int,
    window: Sequence[int],
    shift: Sequence[int],
    scale: float,
) -> Problem:
    grid = WindowGrid(qkv.shape[1], qkv.shape[2], (window[0], window[1]), (shift[0], shift[1]))
    padding = None if padding is None else padding.contiguous()
    bias = None if bias is None else bias.contiguous()
    return Problem(qkv.contiguous(), padding, bias, grid, num_heads, scale)


def _or_nothing(gradient: Tensor | None, like: Tensor) -> Tensor:
    """Operators return tensors, not None."""
    return like.new_empty(0) if gradient is None else gradient


@fused_attention.register_fake
def _(
    qkv: Tensor,
    padding: Tensor | None,
    bias: Tensor | None,
    num_heads: int,
    window: Sequence[int],
    shift: Sequence[int],
    scale: float,
    deterministic: bool,
) -> Tensor:
    batch, height, width, channels = qkv.shape
    return qkv.new_empty((batch, height, width, channels // 3))


@fused_attention_backward.register_fake
def _(
    d_out: Tensor,
    qkv: Tensor,
    padding: Tensor | None,
    bias: Tensor | None,
    num_heads: int,
    window: Sequence[int],
    shift: Sequence[int],
    scale: float,
    deterministic: bool,
    wants_bias: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    d_padding = qkv.new_empty(0) if padding is None else padding.new_empty(padding.shape)
    d_bias = bias.new_empty(bias.shape) if bias is not None and wants_bias else qkv.new_empty(0)
    return qkv.new_empty(qkv.shape), d_padding, d_bias


def _save_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.settings = inputs[3:]


def _backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
    qkv, padding, bias = ctx.saved_tensors
    wants_bias = ctx.needs_input_grad[2]
    d_qkv, d_padding, d_bias = fused_attention_backward(d_out, qkv, padding, bias, *ctx.settings, wants_bias)
    return (
        d_qkv,
        None if padding is None else d_padding,
        d_bias if wants_bias else None,
        *[None] * len(ctx.settings),
    )


fused_attention.register_autograd(_backward, setup_context=_save_inputs)
