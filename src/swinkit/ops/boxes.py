"""Boxes as detectors learn them: differences to reference boxes, in units of their size (arXiv 1311.2524, appendix C).

Boxes are (..., 4): left, top, right, bottom in pixels; widths are right - left, without the + 1 of older code.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_LOG_RATIO = abs(math.log(16 / 1000))
"""A decoded side is at most e to this times as long, or as short, as the reference's: the published code's limit."""

Stds = tuple[float, float, float, float]

UNIT: Stds = (1.0, 1.0, 1.0, 1.0)


def encode_boxes(references: Tensor, boxes: Tensor, stds: Stds) -> Tensor:
    """How far `boxes` are from `references`, both (..., 4): centres by the references' sides, sides as logarithms, all
    divided by `stds`."""
    centre, side = _centre_and_side(references.float())
    target, target_side = _centre_and_side(boxes.float())
    deltas = torch.cat([(target - centre) / side, (target_side / side).log()], -1)
    return deltas / deltas.new_tensor(stds)


def decode_boxes(references: Tensor, deltas: Tensor, stds: Stds, size: tuple[int, int] | None = None) -> Tensor:
    """The boxes that `deltas` (..., 4) mean beside `references` (..., 4), in float32, within an image of `size`
    (height, width) where that is given."""
    centre, side = _centre_and_side(references.float())
    deltas = deltas.float() * references.new_tensor(stds, dtype=torch.float32)
    moved = centre + deltas[..., :2] * side
    half = side * deltas[..., 2:].clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp() / 2
    boxes = torch.cat([moved - half, moved + half], -1)
    return boxes if size is None else clip_boxes(boxes, size)


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The parts of `boxes` (..., 4) within an image of `size` (height, width)."""
    height, width = size
    return torch.stack(
        [side.clamp(0, limit) for side, limit in zip(boxes.unbind(-1), (width, height) * 2, strict=True)], -1
    )


def _centre_and_side(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
