"""Anchors: the reference boxes of every cell of every level.

Shapes: H W map, A anchors of a cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from swinkit.ops.constants import cached_constant


def cell_anchors(stride: int, scales: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """The anchors of a cell around its upper left corner, (A, 4): for each ratio of height to width every scale, as a
    multiple of `stride`, of the square root of the area."""
    roots = torch.tensor(ratios, dtype=torch.float32).sqrt()
    sizes = torch.tensor(scales, dtype=torch.float32)
    widths = (stride / roots[:, None] * sizes).flatten()
    heights = (stride * roots[:, None] * sizes).flatten()
    return torch.stack([-widths, -heights, widths, heights], 1) / 2


def build_level_anchors(
    height: int, width: int, stride: int, scales: tuple[float, ...], ratios: tuple[float, ...], device: torch.device
) -> Tensor:
    """All anchors of a map, (H * W * A, 4), cells row by row; cell (y, x) lies at (x, y) * stride, as published."""
    base = cell_anchors(stride, scales, ratios).to(device)
    shifts = cell_corners(height, width, stride, device).repeat(1, 2)  # (H * W, 4)
    return (shifts[:, None] + base).view(-1, 4)


def cell_corners(height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """x, y of the upper left corner of every cell of a map, row by row, in pixels: (H * W, 2) float32."""
    y, x = (torch.arange(length, device=device, dtype=torch.float32) * stride for length in (height, width))
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).view(-1, 2)


level_anchors = cached_constant(build_level_anchors)
"""`build_level_anchors`, remembered for the sizes met last."""


DIVISOR = 32
"""An image's own padding goes up to multiples of this many pixels."""


def cells_inside(shape: tuple[int, int], stride: int, size: tuple[int, int], anchors: int, like: Tensor) -> Tensor:
    """Which anchors of a map of `shape` lie in cells of an image of `size` (height, width) or of its own padding: the
    rest is padding to the size of the batch's other images. (H * W * A,) bool."""
    padded = (-(-side // DIVISOR) * DIVISOR for side in size)
    rows, columns = (min(-(-side // stride), cells) for side, cells in zip(padded, shape, strict=True))
    inside = like.new_zeros(shape, dtype=torch.bool)
    inside[:rows, :columns] = True
    return inside.view(-1, 1).expand(-1, anchors).reshape(-1)


def boxes_inside(boxes: Tensor, size: tuple[int, int], border: float) -> Tensor:
    """Which boxes (M, 4) reach less than `border` pixels out of an image of `size` (height, width), on the left and top
    exactly as far at most, as published: (M,) bool."""
    height, width = size
    low, high = (boxes[:, :2] >= -border).all(1), boxes[:, 2:] < boxes.new_tensor([width + border, height + border])
    return low & high.all(1)
