"""What RepPoints v2 learns (arXiv 2007.08508, section 3): which points, corner heat maps, a semantic map.

Shapes: N instances, M points of all levels, L points of one level, K classes, H W map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from swinkit.detection.assigners import NEGATIVE
from swinkit.structures import Instances

GAUSSIAN_IOU = 0.7
"""Boxes whose corners are moved within the radius overlap the original by at least this."""


def assign_points(
    truth: Tensor, middles: Tensor, points: Sequence[Tensor], strides: Sequence[int], *, scale: float = 4.0
) -> Tensor:
    """For every point the number of its ground truth, or `NEGATIVE`: (M,) int64.

    Each ground truth takes the one point nearest to its middle, in units of its sides, of the level whose stride times
    `scale` is nearest to its size; a point nearest to several belongs to the nearest of them.

    Args:
        truth: boxes (N, 4).
        middles: (N, 2) x, y of the ground truth.
        points: (L, 2) x, y of each level, in pixels.
        strides: of the levels, each twice the one before.
        scale: sides of a typical box, in strides of its level.
    """
    counts = [len(level) for level in points]
    matches = truth.new_full((sum(counts),), NEGATIVE, dtype=torch.int64)
    nearest = truth.new_full((sum(counts),), math.inf)
    sides = (truth[:, 2:] - truth[:, :2]).clamp(min=1e-6)
    low, high = (int(math.log2(strides[end])) for end in (0, -1))
    levels = ((sides / scale).log2().sum(1) / 2).trunc().clamp(low, high).int() - low
    for number, (middle, side, level) in enumerate(zip(middles, sides, levels.tolist(), strict=True)):
        if not counts[level]:
            continue
        start = sum(counts[:level])
        distance, place = ((points[level] - middle) / side).norm(dim=1).min(0)
        place = place + start
        if distance < nearest[place]:
            nearest[place] = distance
            matches[place] = number
    return matches


def box_middles(truth: Instances) -> Tensor:
    """Of N boxes, (N, 2) x, y."""
    boxes = truth.boxes.float()
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def mask_middles(truth: Instances) -> Tensor:
    """Of N masks the mean column and row, (N, 2); where a mask is empty, its box's."""
    assert truth.masks is not None
    masks = truth.masks.float()
    area = masks.sum((1, 2))
    x, y = (
        (masks.sum(axis) * torch.arange(length, device=masks.device)).sum(1) / area.clamp(min=1)
        for axis, length in ((1, masks.shape[2]), (2, masks.shape[1]))
    )
    return torch.stack([x, y], 1).where(area[:, None] > 0, box_middles(truth))


def corner_targets(truth: Tensor, corners: Tensor, points: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """The heat map of one kind of corner on one level, (L,) of 0..1, and where in their cells the corners lie, (L, 2).

    The point nearest to a corner is 1; around it the values fall off as a Gaussian of the box's radius. Offsets count
    where the heat is 1.

    Args:
        truth: boxes (N, 4).
        corners: (N, 2) x, y.
        points: (L, 2).
        stride: of the level, in pixels.
    """
    heat, offsets = points.new_zeros(len(points)), points.new_zeros(len(points), 2)
    if not len(truth) or not len(points):
        return heat, offsets
    distances = (corners[:, None] - points).norm(dim=2)  # (N, L)
    radius = gaussian_radius(truth)[:, None]
    sigma = (2 * radius + 1) / 6
    bumps = (-distances.square() / (2 * sigma.square())).exp() * (distances < radius)
    heat = bumps.amax(0)
    nearest = distances.argmin(1)
    heat[nearest] = 1.0
    for number, place in enumerate(nearest.tolist()):  # one by one: of several the last one's offset stays
        offsets[place] = (corners[number] - points[place]) / stride
    return heat, offsets


def gaussian_radius(boxes: Tensor, overlap: float = GAUSSIAN_IOU) -> Tensor:
    """How far, in pixels, the corners of boxes (N, 4) may move for the boxes to overlap by `overlap`: (N,), CornerNet's
    three cases."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
    both, area = width + height, width * height
    first = (both - (both.square() - 4 * area * (1 - overlap) / (1 + overlap)).sqrt()) / 2
    second = (2 * both - (4 * both.square() - 16 * (1 - overlap) * area).sqrt()) / 8
    third = (-2 * overlap * both + (4 * overlap**2 * both.square() + 16 * overlap * (1 - overlap) * area).sqrt()) / (
        8 * overlap
    )
    return torch.stack([first, second, third]).amin(0)


def semantic_targets(truth: Instances, num_classes: int, size: tuple[int, int], stride: int) -> tuple[Tensor, Tensor]:
    """Which class's boxes each place lies in, (K, H, W) of 0 and 1, and what it weighs: 1 over the area of the smallest
    of them in pixels, (K, H, W).

    Args:
        truth: of one image.
        num_classes: K.
        size: H, W, of the whole batch.
        stride: pixels between places.
    """
    boxes = truth.boxes.float()
    painted = boxes.new_zeros(num_classes, *size)
    weights = torch.zeros_like(painted)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    for number in areas.argsort(descending=True, stable=True).tolist():
        left, top, right, bottom = (int(value / stride) for value in boxes[number].tolist())
        label = int(truth.labels[number])
        painted[label, top : bottom + 1, left : right + 1] = 1.0
        weights[label, top : bottom + 1, left : right + 1] = 1 / areas[number]
    return painted, weights
