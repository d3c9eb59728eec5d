"""What else an annotation says about its box, compared with the box: its mask, and a rotation.

Shapes: H W image.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from swinkit.detection.data.coco_masks import run_lengths, sound_segmentation

Box = tuple[float, float, float, float]

MOST_OUTSIDE = 0.5
"""A mask belongs to its box where at least this share of its pixels lies inside."""


def share_in_box(segmentation: Any, box: Box, height: int, width: int) -> tuple[int, int]:
    """How many pixels a sound mask has inside `box` (left, top, width, height), and how many in all.

    Where the polygons' corners lie inside, give or take two pixels or a tenth of the box, nothing is counted: (1, 1).
    """
    segmentation = sound_segmentation(segmentation)
    left, top, across, down = box
    if isinstance(segmentation, list) and _corners_inside(segmentation, box):
        return 1, 1
    lengths = run_lengths(segmentation, height, width)
    if not isinstance(segmentation, list) and _extent_inside(coco_mask.toBbox(lengths).tolist(), box):
        return 1, 1
    mask = coco_mask.decode(lengths)  # (H, W)
    rows = slice(max(0, math.floor(top)), max(0, math.ceil(top + down)))
    columns = slice(max(0, math.floor(left)), max(0, math.ceil(left + across)))
    return int(mask[rows, columns].sum()), int(mask.sum())


def rotation_of(item: dict[str, Any]) -> float:
    """Degrees, clockwise, by which CVAT says that the object is turned about the middle of its box; 0 where it says
    nothing."""
    attributes = item.get("attributes")
    value = attributes.get("rotation") if isinstance(attributes, dict) else None
    try:
        degrees = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else 0.0
    except ValueError:
        return 0.0
    return degrees % 360 if math.isfinite(degrees) else 0.0


def turned_box(box: Box, degrees: float) -> Box:
    """The extent of `box` (left, top, width, height) turned about its middle."""
    points = turned_corners(box, degrees)
    xs, ys = points[::2], points[1::2]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def turned_corners(box: Box, degrees: float) -> tuple[float, ...]:
    """x, y of the four corners of `box` (left, top, width, height) turned clockwise about its middle."""
    left, top, across, down = box
    x, y = left + across / 2, top + down / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((-across, -down), (across, -down), (across, down), (-across, down))
    places = ((x + (u * cos - v * sin) / 2, y + (u * sin + v * cos) / 2) for u, v in corners)
    return tuple(round(value, 6) for place in places for value in place)


def is_upright_rectangle(segmentation: Any, box: Box) -> bool:
    """Whether polygons are nothing but the box itself (left, top, width, height), not turned."""
    if not isinstance(segmentation, list) or len(segmentation) != 1 or len(segmentation[0]) not in (8, 10):
        return False
    left, top, across, down = box
    xs, ys = np.array(segmentation[0][::2], dtype=float), np.array(segmentation[0][1::2], dtype=float)
    at_sides = np.minimum(abs(xs - left), abs(xs - left - across)) <= 1
    return bool((at_sides & (np.minimum(abs(ys - top), abs(ys - top - down)) <= 1)).all())


def _corners_inside(polygons: list[list[float]], box: Box) -> bool:
    left, top = min(min(part[::2]) for part in polygons), min(min(part[1::2]) for part in polygons)
    right, bottom = max(max(part[::2]) for part in polygons), max(max(part[1::2]) for part in polygons)
    return _extent_inside([left, top, right - left, bottom - top], box)


def _extent_inside(extent: list[float], box: Box) -> bool:
    slack = [max(2.0, length / 10) for length in box[2:]]
    return all(
        extent[axis] >= box[axis] - slack[axis]
        and extent[axis] + extent[axis + 2] <= box[axis] + box[axis + 2] + slack[axis]
        for axis in (0, 1)
    )
