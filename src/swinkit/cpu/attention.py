"""Window attention laid out by hand: with its gradient made explicit for training, in pieces for inference.

Shapes: B images, H W map, C channels, T tokens in a window, h heads.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from swinkit.cpu.attention_inference import attention_in_pieces
from swinkit.cpu.attention_training import attention_with_explicit_gradient
from swinkit.cpu.switch import cpu_obstacle
from swinkit.ops.windows import WindowGrid


def attention_obstacle(x: Tensor, dropout_p: float) -> str | None:
    """Why `cpu_attention` cannot run for these arguments, in one sentence; None if it can."""
    obstacle = cpu_obstacle(x)
    if obstacle is None and dropout_p > 0 and torch.is_grad_enabled():
        return "its gradient has no dropout of attention weights; set attn_drop_rate to 0 or choose another backend"
    return obstacle


def cpu_attention(
    x: Tensor,
    project: Callable[[Tensor], Tensor],
    *,
    bias: Tensor | None,
    grid: WindowGrid,
    num_heads: int,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """See `swinkit.ops.window_attention.window_attention`; dropout of attention weights only without gradients."""
    if torch.is_grad_enabled():
        return attention_with_explicit_gradient(x, project, bias=bias, grid=grid, num_heads=num_heads, scale=scale)
    return attention_in_pieces(x, project, bias=bias, grid=grid, num_heads=num_heads, scale=scale, dropout_p=dropout_p)
