"""Shapes that labelling tools draw, as objects.

Shapes: H W image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from swinkit.detection.data.conversion.coco_writing import FoundObject

Points = Sequence[tuple[float, float]]

CORNERS = 64
"""Of the polygon that stands for a circle."""


def polygons_object(label: int, polygons: Sequence[Points]) -> FoundObject:
    """An object of one or more polygons of three corners or more."""
    xs = [x for points in polygons for x, _ in points]
    ys = [y for points in polygons for _, y in points]
    box = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
    return FoundObject(label, box, segmentation=[[value for point in points for value in point] for points in polygons])


def box_object(label: int, corners: Points) -> FoundObject:
    """A box by two or more of its corners."""
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return FoundObject(label, (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)))


def mask_object(label: int, mask: np.ndarray) -> FoundObject | None:
    """The pixels of a mask (H, W) bool; None where it has none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    lengths: dict[str, Any] = {"size": [int(n) for n in encoded["size"]], "counts": encoded["counts"].decode("ascii")}
    left, top = int(columns[0]), int(rows[0])
    box = (float(left), float(top), float(columns[-1] + 1 - left), float(rows[-1] + 1 - top))
    return FoundObject(label, box, segmentation=lengths)


def ellipse(x: float, y: float, across: float, down: float, degrees: float = 0.0) -> Points:
    """Corners of a polygon for an ellipse of two radii about (x, y), turned clockwise."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    angles = [2 * math.pi * place / CORNERS for place in range(CORNERS)]
    around = [(across * math.cos(angle), down * math.sin(angle)) for angle in angles]
    return [(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in around]
