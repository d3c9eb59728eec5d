"""Window attention by matrix products, with its gradient made explicit: what training on a CPU takes.

Autograd would copy q, k and v into place, and their gradients back, one by one, and keep the scaled q beside the
other. Here one copy moves all three each way, and only they and the probabilities are kept.
Shapes: N windows of one image, B images, H W map, C channels, T tokens in a window, h heads, d head dim, M = N * B * h.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.cpu.denormals import LEAST_WEIGHT
from swinkit.ops.windows import WindowGrid, to_image, to_windows, token_order, window_masks


def attention_with_explicit_gradient(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
) -> Tensor:
    """See `swinkit.ops.window_attention.window_attention`."""
    batch, channels = x.shape[0], x.shape[-1]
    order = token_order(grid, x)
    windows = to_windows(x, grid, order)
    qkv = project(windows).unflatten(-1, (3, num_heads, channels // num_heads))  # (N, B, T, 3, h, d)
    added = bias
    if grid.is_shifted:
        masks = window_masks(grid, qkv)
        added = masks if bias is None else masks + bias  # (N, 1 or h, T, T)
    out = _self_attention(qkv, None if added is None else added.to(qkv.dtype), scale)
    return to_image(out.view(-1, channels), grid, order, batch=batch)


def _self_attention(qkv: Tensor, added: Tensor | None, scale: float) -> Tensor:
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
        F.threshold(p, LEAST_WEIGHT, 0.0, inplace=True)  # as in softmax_without_denormals
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
