"""Attention of all windows by matrix products, with the gradient written out: what training on a CPU takes.

Autograd would copy q, k and v into place, and their gradients back, one by one, and keep the scaled q beside the plain
one. Here one copy moves all three each way, and only they and the probabilities are kept.
Shapes: N windows of one image, B images, T tokens in a window, h heads, d head dim, M = N * B * h.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_WEIGHT = 1e-30
"""The mask makes weights of exp(-100), a denormal number in float32, and a processor multiplies by those, and by what
becomes one in the gradient, thirty times slower than by others. Beside weights that sum to 1, 1e-30 is nothing: results
are the same to rounding. GPUs do not slow down, and traced programs have a mask that leaves exactly 0."""


def matmul_self_attention(qkv: Tensor, added: Tensor | None, scale: float) -> Tensor:
    """softmax(q k^T scale + added) v, in every window.

    Args:
        qkv: (N, B, T, 3, h, d).
        added: bias (h, T, T), or bias or mask of every window (N, h or 1, T, T), in the dtype of qkv; or None.
        scale: what q k^T is multiplied with.

    Returns:
        (N, B, T, h, d). It can be differentiated by qkv and added, also twice.
    """
    windows, images, tokens, _, heads, dim = qkv.shape
    moved = qkv.permute(3, 0, 1, 4, 2, 5).reshape(3, -1, tokens, dim)
    out = _SelfAttention.apply(moved, added, scale, (windows, images, heads))
    return out.view(windows, images, heads, tokens, dim).transpose(2, 3).contiguous()


def attention_weights(logits: Tensor) -> Tensor:
    """softmax(logits) over the last dimension, on a CPU with weights below `LEAST_WEIGHT` set to 0."""
    if logits.device.type != "cpu" or torch.compiler.is_compiling():
        return logits.softmax(-1)
    return _Weights.apply(logits)


class _Weights(torch.autograd.Function):
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


def _by_window(pairs: Tensor, counts: tuple[int, int, int]) -> Tensor:
    """(M, T, T) to (N, B, h, T, T)."""
    return pairs.view(*counts, *pairs.shape[1:])


def _broadcast(added: Tensor) -> Tensor:
    return added if added.ndim == 3 else added[:, None]


class _SelfAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, qkv: Tensor, added: Tensor | None, scale: float, counts: tuple[int, int, int]) -> Tensor:
        q, k, v = qkv.unbind(0)  # (M, T, d)
        p = q.new_empty(q.shape[0], q.shape[1], q.shape[1])
        torch.baddbmm(p, q, k.transpose(1, 2), beta=0, alpha=scale, out=p)
        if added is not None:
            _by_window(p, counts).add_(_broadcast(added))
        torch.softmax(p, -1, out=p)
        F.threshold(p, LEAST_WEIGHT, 0.0, inplace=True)  # as in attention_weights
        ctx.save_for_backward(qkv, added, p)
        ctx.scale, ctx.counts = scale, counts
        return torch.bmm(p, v)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        qkv, added, p = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (*_differentiable_gradients(ctx, qkv, added, gradient), None, None)
        gradient = gradient.contiguous()
        q, k, v = qkv.unbind(0)
        d_qkv = torch.empty_like(qkv)
        torch.bmm(p.transpose(1, 2), gradient, out=d_qkv[2])
        d_p = torch.bmm(gradient, v.transpose(1, 2))
        torch.ops.aten._softmax_backward_data.out(d_p, p, -1, p.dtype, grad_input=d_p)
        d_added = None
        if added is not None and ctx.needs_input_grad[1]:
            d_added = _by_window(d_p, ctx.counts).sum_to_size(_broadcast(added).shape).view(added.shape)
        torch.baddbmm(d_qkv[0], d_p, k, beta=0, alpha=ctx.scale, out=d_qkv[0])
        torch.baddbmm(d_qkv[1], d_p.transpose(1, 2), q, beta=0, alpha=ctx.scale, out=d_qkv[1])
        return d_qkv, d_added, None, None


def _differentiable_gradients(
    ctx: Any, qkv: Tensor, added: Tensor | None, gradient: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients as autograd makes them, for someone who differentiates them again."""
    q, k, v = qkv.unbind(0)
    logits = (q * ctx.scale) @ k.transpose(1, 2)
    if added is not None:
        logits = (_by_window(logits, ctx.counts) + _broadcast(added)).view(logits.shape)
    inputs = [each if needed else None for each, needed in zip((qkv, added), ctx.needs_input_grad, strict=False)]
    wanted = [each for each in inputs if each is not None]
    found = iter(torch.autograd.grad(logits.softmax(-1) @ v, wanted, gradient, create_graph=True))
    d_qkv, d_added = (None if each is None else next(found) for each in inputs)
    return d_qkv, d_added
