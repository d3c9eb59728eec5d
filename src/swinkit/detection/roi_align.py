"""What the heads see of each region, read off the level of the pyramid that suits its size (arXiv 1612.03144, eq. 1).

Shapes: B images, R regions, C channels, H W map, S side of what is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from swinkit.ops.roi_align import roi_align

FARTHEST = 1e9
"""Pixels: boxes that reach farther or are no numbers, as those of a diverging training, are read as empty ones."""


def region_levels(boxes: Tensor, levels: int, finest_scale: float) -> Tensor:
    """The level of each box (R, 4): 0 up to twice `finest_scale` of the square root of its area, and one more for each
    doubling; (R,) int64, 0..levels - 1."""
    scale = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=0).sqrt()
    return (scale / finest_scale + 1e-6).log2().floor().clamp(0, levels - 1).long()


def align_regions(
    maps: Sequence[Tensor],
    strides: Sequence[int],
    boxes: Sequence[Tensor],
    size: int,
    finest_scale: float,
    *,
    points: int = -1,
) -> Tensor:
    """(R, C, S, S): bilinear means over S x S parts of every region, pixel centres at half coordinates.

    Args:
        maps: (B, C, H_i, W_i), finest first.
        strides: pixels between their cells.
        boxes: (R_b, 4) of each image, in pixels of the padded image.
        size: S.
        finest_scale: see `region_levels`.
        points: along each side of a part; -1 takes as many as it has cells.
    """
    numbers = torch.cat([each.new_full((each.shape[0], 1), image) for image, each in enumerate(boxes)])
    flat = torch.cat(list(boxes))
    flat = torch.where((flat.abs() < FARTHEST).all(1, keepdim=True), flat, 0.0)
    regions = torch.cat([numbers, flat], 1).float()  # (R, 5)
    levels = region_levels(flat, len(maps), finest_scale)
    read = []
    for level, (x, stride) in enumerate(zip(maps, strides, strict=True)):
        here = torch.nonzero(levels == level)[:, 0]
        # In half precision a region's edges would be whole pixels away from where they are.
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        part = roi_align(wide, regions[here].to(wide), size, 1 / stride, points=points)
        read.append(part.to(x.dtype))
    # Taking in a part without regions too keeps every level in the graph, which DDP asks for.
    return torch.cat(read).index_select(0, places_by_level(levels, len(maps)))


def places_by_level(levels: Tensor, count: int) -> Tensor:
    """Where each of R regions stands when they are sorted by level, those of a level in their own order: (R,) int64."""
    is_of = levels[:, None] == torch.arange(count, device=levels.device)  # (R, L)
    until = is_of.long().cumsum(0)
    totals = is_of.long().sum(0)
    first = totals.cumsum(0) - totals
    return until.gather(1, levels[:, None])[:, 0] - 1 + first[levels]
