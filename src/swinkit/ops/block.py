"""Both branches of a block at once, where a CPU can do that; elsewhere its layers are called one by one.

Shapes: B images, H W map, C channels.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from swinkit.cpu.block import BlockLayers, branches_in_pieces, layers_obstacle
from swinkit.cpu.linear import linear_obstacle

__all__ = ["BlockLayers", "add_branches", "can_add_branches"]


def can_add_branches(x: Tensor) -> bool:
    """Whether `add_branches` takes such a tensor (B, H, W, C), if the layers allow."""
    return linear_obstacle(x, x) is None


def add_branches(x: Tensor, attend: Callable[[Tensor], Tensor], layers: BlockLayers) -> Tensor | None:
    """y = x + proj(attend(norm1(x))), then y + fc2(gelu(fc1(norm2(y)))): (B, H, W, C) to the same, in new memory.

    Args:
        x: one that `can_add_branches` allows.
        attend: attention before its projection, which keeps the shape.
        layers: what is read, not called.

    Returns:
        None where the layers are such that they must be called.
    """
    return branches_in_pieces(x, attend, layers) if layers_obstacle(x, layers) is None else None
