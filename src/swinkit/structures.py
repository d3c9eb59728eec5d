"""The few types that data, models, scores and pictures share.

Shapes: N objects, H W image, M side of a mask that fills its box.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Instances(NamedTuple):
    """The objects of one image, as a data set knows them and a detector learns them."""

    boxes: Tensor
    """(N, 4) float32: left, top, right, bottom in pixels; the right and bottom edges lie outside the object, so that
    width is right - left."""
    labels: Tensor
    """(N,) int64, 0..K-1."""
    masks: Tensor | None
    """(N, H, W) bool at the image's size; None where the data have boxes only."""


class Detections(NamedTuple):
    """What a detector finds in one image, best first."""

    boxes: Tensor
    """(N, 4) float32 as in `Instances`, within the image."""
    scores: Tensor
    """(N,) float32, 0..1, descending."""
    labels: Tensor
    """(N,) int64, 0..K-1."""
    masks: Tensor | None
    """(N, M, M) float32, 0..1: how likely each place of the box belongs to the object; `swinkit.ops.masks.paste_masks`
    lays them into the image. None where the detector has no mask head."""
    size: tuple[int, int]
    """Height and width of the image that the boxes refer to."""
