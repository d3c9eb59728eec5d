"""A block without gradients: what its branches find is added in place, and its second branch goes through in pieces.

Eager PyTorch takes new memory for each sum, and writes and reads the whole map for the norm, the hidden values and the
sum. Shapes: B images, H W map, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from swinkit.cpu.freed_memory import keep_freed_memory
from swinkit.cpu.half_precision import product_format
from swinkit.cpu.linear import fused_linear, multiply, pieces
from swinkit.cpu.packed_weights import in_best_layout
from swinkit.ops.constants import is_plain


class BlockLayers(NamedTuple):
    """The layers of a block, which are read, not called, but for what its attention has before the projection."""

    norm1: nn.LayerNorm
    proj: nn.Linear
    norm2: nn.LayerNorm
    fc1: nn.Linear
    fc2: nn.Linear


def layers_obstacle(x: Tensor, layers: BlockLayers) -> str | None:
    """Why `branches_in_pieces` cannot run with these layers, where `linear_obstacle` allows x; None if it can."""
    if layers.norm2.normalized_shape != x.shape[-1:]:
        return "it takes rows one by one, and a norm is over more than one"
    for layer in layers:
        for each in _weight_and_bias(layer):
            if each is None or not is_plain(each) or each.dtype != x.dtype or not each.is_cpu:
                return "it takes ordinary weights and biases of the tensor's own kind"
    return None


def branches_in_pieces(x: Tensor, attend: Callable[[Tensor], Tensor], layers: BlockLayers) -> Tensor:
    """See `swinkit.ops.block.add_branches`."""
    keep_freed_memory()
    attended = attend(_normalise(x, layers.norm1))
    out = fused_linear(attended, *_weight_and_bias(layers.proj)).add_(x)
    rows, wanted = out.view(-1, out.shape[-1]), product_format(x.dtype)
    (weight1, bias1), (weight2, bias2) = _weight_and_bias(layers.fc1), _weight_and_bias(layers.fc2)
    weight1, weight2 = in_best_layout(weight1, wanted), in_best_layout(weight2, wanted)
    bias1, bias2 = bias1.to(wanted), bias2.to(wanted)
    for piece in pieces(rows.shape[0], bias1.shape[0]):
        part = rows[piece]
        # The wide values get no name, so that they are freed before the next piece, which takes their memory.
        normed = _normalise(part, layers.norm2).to(wanted)
        part.add_(multiply(multiply(normed, weight1, bias1, gelu=True), weight2, bias2))
    return out


def _weight_and_bias(layer: nn.Module) -> tuple[Any, Any]:
    own = layer._parameters  # rather than attributes, which PyTorch looks up slowly
    return own.get("weight"), own.get("bias")  # FSDP and replicas of DataParallel have them elsewhere


def _normalise(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    weight, bias = _weight_and_bias(norm)
    return torch.layer_norm(x, norm.normalized_shape, weight, bias, norm.eps)
