"""Adaptive average pooling that can be exported with free sizes: two matrix products with averaging matrices.

Shapes: B images, C channels, H W map, s side of the pooled map.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class FreePooling(nn.Module):
    """nn.AdaptiveAvgPool2d(side) on maps (B, C, H, W) whose size is not known when a program is exported."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (averaging(size, self.side, x) for size in x.shape[2:])
        return rows @ x @ columns.t()  # (B, C, s, s)


def averaging(size: int, side: int, like: Tensor) -> Tensor:
    """(s, size): row i is the mean over floor(i * size / s) <= position < ceil((i + 1) * size / s)."""
    cell = torch.arange(side, device=like.device)[:, None]
    position = torch.arange(size, device=like.device)
    inside = (position >= cell * size // side) & (position < ((cell + 1) * size + side - 1) // side)
    weights = inside.to(like.dtype)
    return weights / weights.sum(1, keepdim=True)


def with_free_pooling(model: nn.Module) -> nn.Module:
    """A copy of the model whose adaptive poolings can be exported; the model itself where it has none."""
    if not any(isinstance(module, nn.AdaptiveAvgPool2d) for module in model.modules()):
        return model
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.AdaptiveAvgPool2d) and isinstance(child.output_size, int):
                setattr(module, name, FreePooling(child.output_size))
    return model
