"""The few types that data, models, scores and pictures share.

Shapes: N instances, H W image, M side of a mask that fills its box.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Instances(NamedTuple):
    """The ground truth of one image, as a data set knows it and a detector learns it."""

    boxes: Tensor
    """(N, 4) float32: left, top, right, bottom in pixels; the right and bottom edges lie outside the object, so that
    width is right - left."""
    labels: Tensor
    """(N,) int64, 0..K-1."""
    masks: Tensor | None
    """(N, H, W) bool at the image's size; None where the data have boxes only."""
    semantic: Tensor | None = None
    """(H, W) uint8 at the image's size: the class of every pixel, things and stuff, 0..C-1, or 255 where it is unknown
    (`swinkit.ops.labels.IGNORE`); None where the data have no such map or nobody asked for it."""


class Detections(NamedTuple):
    """What a detector finds in one image, best first."""

    boxes: Tensor
    """(N, 4) float32 as in `Instances`, within the image."""
    scores: Tensor
    """(N,) float32, 0..1, descending."""
    labels: Tensor
    """(N,) int64, 0..K-1."""
    masks: Tensor | None
    """(N, M, M) float32, 0..1: how likely each place of the box belongs to the instance; or (N, H, W) bool at the size
    of the image, of a detector that finds masks of whole images; None of one that finds no masks.
    `swinkit.ops.masks.paste_masks` makes images of both."""
    size: tuple[int, int]
    """Height and width of the image that the boxes refer to."""

    def cpu(self) -> Detections:
        """The same on the CPU."""
        masks = None if self.masks is None else self.masks.cpu()
        return Detections(self.boxes.cpu(), self.scores.cpu(), self.labels.cpu(), masks, self.size)

    def above(self, score: float, *, top: int | None = None) -> Detections:
        """Those with at least this score, and of them the first `top`."""
        kept = (self.scores >= score).nonzero()[:top, 0]
        masks = None if self.masks is None else self.masks[kept]
        return Detections(self.boxes[kept], self.scores[kept], self.labels[kept], masks, self.size)
