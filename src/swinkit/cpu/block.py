"""A block without gradients: what its branches find is added in place, and its second branch goes through in pieces.

Eager PyTorch takes new memory for each sum, and writes and reads the whole map for the norm, the hidden values and the
sum. Shapes: B images, H W map, C channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from swinkit.cpu.freed_memory import keep_freed_memory
from swinkit.cpu.half_precision import product_format
from swinkit.cpu.linear import fused_linear, linear_obstacle, multiply, pieces
from swinkit.cpu.packed_weights import in_best_layout
from swinkit.ops.constants import is_plain


def block_obstacle(x: Tensor, *layers: nn.LayerNorm | nn.Linear) -> str | None:
    """Why `add_branches` cannot run with these layers, in one sentence; None if it can."""
    obstacle = linear_obstacle(x, x)
    if obstacle is not None:
        return obstacle
    for layer in layers:
        for each in (layer.weight, layer.bias):
            if each is None or not is_plain(each) or each.dtype != x.dtype or each.device != x.device:
                return "it takes ordinary weights and biases of the tensor's own kind"
    return None


def add_branches(
    x: Tensor,
    attend: Callable[[Tensor], Tensor],
    *,
    norm1: nn.LayerNorm,
    proj: nn.Linear,
    norm2: nn.LayerNorm,
    fc1: nn.Linear,
    fc2: nn.Linear,
) -> Tensor:
    """y = x + proj(attend(norm1(x))), then y + fc2(gelu(fc1(norm2(y)))), in new memory: (B, H, W, C) to the same.

    `attend` keeps the shape, too. Layers are read, not called.
    """
    keep_freed_memory()
    attended = attend(_normalise(x, norm1))
    out = fused_linear(attended, proj.weight, proj.bias).add_(x)
    rows, wanted = out.view(-1, out.shape[-1]), product_format(x.dtype)
    weight1, weight2 = in_best_layout(fc1.weight, wanted), in_best_layout(fc2.weight, wanted)
    bias1, bias2 = fc1.bias.to(wanted), fc2.bias.to(wanted)
    for piece in pieces(rows.shape[0], fc1.out_features):
        part = rows[piece]
        hidden = multiply(_normalise(part, norm2).to(wanted), weight1, bias1, gelu=True)
        part.add_(multiply(hidden, weight2, bias2))
    return out


def _normalise(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
