"""RoIAlign as two small matrix products a region, without gradients.

The samples of a region lie on a grid, so that their bilinear weights are those of its rows times those of its columns:
S x S means of h x w cells are a matrix S x h times the cells times a matrix w x S. torchvision's kernel takes every
sample by itself, on one core, and wants maps with channels first.

Shapes: B images, R regions, C channels, H W map, h w part of it that a region touches, S side of what is read, G
samples along a side of a part.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from swinkit.cpu.switch import cpu_obstacle

LEAST_CHANNELS = 64
"""From here on the products take less time than the kernel; below, the calls themselves take most."""
MOST_CELLS = 4096
"""A region as long as that has more samples than are made at once."""


def roi_align_obstacle(x: Tensor, regions: Tensor, scale: float) -> str | None:
    """Why `roi_align_in_products` cannot run, in one sentence; None if it can."""
    if torch.is_grad_enabled():
        return "it has no gradient; call it under torch.no_grad()"
    for each in (x, regions):
        obstacle = cpu_obstacle(each)
        if obstacle is not None:
            return obstacle
    if x.dtype != regions.dtype or x.dtype not in (torch.float32, torch.float64):
        return "maps and regions must both be float32, or both float64"
    if regions.numel() and not bool((regions[:, 1:].abs() * scale < MOST_CELLS).all()):
        return f"a region lies beyond {MOST_CELLS} cells"
    return None


def pays(x: Tensor) -> bool:
    """Whether it is faster than torchvision's kernel on maps of so many channels."""
    return x.shape[1] >= LEAST_CHANNELS


def roi_align_in_products(x: Tensor, regions: Tensor, size: int, scale: float, points: int) -> Tensor:
    """See `swinkit.ops.roi_align.roi_align`; the result has its channels last in memory."""
    count, (channels, height, width) = regions.shape[0], x.shape[1:]
    cells = x.permute(0, 2, 3, 1).contiguous()
    out = cells.new_zeros(count, size, size, channels)
    if count and cells.numel():
        rows = _side(regions[:, 2] * scale - 0.5, regions[:, 4] * scale - 0.5, size, points, height)
        columns = _side(regions[:, 1] * scale - 0.5, regions[:, 3] * scale - 0.5, size, points, width)
        images = regions[:, 0].long().tolist()
        places = zip(images, rows.first, rows.length, columns.first, columns.length, strict=True)
        for region, (image, top, h, left, w) in enumerate(places):
            if h and w:
                part = cells[image, top : top + h, left : left + w].view(h, w * channels)
                across = torch.mm(rows.weights[region, :, :h], part).view(size, w, channels)
                torch.bmm(columns.weights[region, :, :w].expand(size, -1, -1), across, out=out[region])
    return out.permute(0, 3, 1, 2)


class _Side(NamedTuple):
    """Rows or columns of what the regions read."""

    first: list[int]
    """The first row of the map that each region touches."""
    length: list[int]
    """How many it touches: h; 0 of a region that reads nothing."""
    weights: Tensor
    """(R, S, longest h): what each row adds to the means."""


def _side(start: Tensor, end: Tensor, size: int, points: int, length: int) -> _Side:
    """Weights along one side of a map of `length` cells, for regions from `start` to `end` (R,), in cells.

    Every number is made as torchvision's kernel makes it: samples that are more than a cell outside are 0, others are
    moved to the edge.
    """
    extent = end - start
    step = extent / size
    samples = step.ceil().clamp(min=0) if points <= 0 else torch.full_like(extent, points)
    number = torch.arange(int(samples.max()), device=start.device)
    part = torch.arange(size, device=start.device).to(start)[:, None]
    position = start[:, None, None] + part * step[:, None, None]
    position = position + (number + 0.5) * step[:, None, None] / samples[:, None, None]  # (R, S, G)
    is_read = (number < samples[:, None, None]) & (position >= -1) & (position <= length)
    position = torch.where(is_read, position, 0).clamp(min=0)
    before = position.long().clamp(max=length - 1)
    after = (before + 1).clamp(max=length - 1)
    to_after = torch.where(before < length - 1, position - before, 0)
    share = is_read / samples[:, None, None].clamp(min=1)
    first = torch.where(is_read, before, length).flatten(1).amin(1) if number.numel() else before.new_zeros(len(start))
    last = torch.where(is_read, after, -1).flatten(1).amax(1) if number.numel() else before.new_full(first.shape, -1)
    touched = (last - first + 1).clamp(min=0)
    weights = start.new_zeros(start.shape[0], size, max(1, int(touched.max())))
    inside = weights.shape[2] - 1
    for cell, weight in ((before, (1 - to_after) * share), (after, to_after * share)):
        weights.scatter_add_(2, (cell - first[:, None, None]).clamp(0, inside), weight.to(weights))
    return _Side(first.tolist(), touched.tolist(), weights)
