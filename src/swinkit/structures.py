"""The few types that data, models, scores and pictures share.

Shapes: N instances, H W image, M side of a mask that fills its box.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from swinkit.errors import InputError


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
        return self.moved("cpu")

    def moved(self, device: str | torch.device) -> Detections:
        """The same on a device."""
        masks = None if self.masks is None else self.masks.to(device)
        return Detections(self.boxes.to(device), self.scores.to(device), self.labels.to(device), masks, self.size)

    def above(self, score: float, *, top: int | None = None) -> Detections:
        """Those with at least this score, and of them the first `top`."""
        return self.chosen((self.scores >= score).nonzero()[:top, 0])

    def chosen(self, numbers: Tensor) -> Detections:
        """Those with these numbers, (M,) int64, in their order."""
        masks = None if self.masks is None else self.masks[numbers]
        return Detections(self.boxes[numbers], self.scores[numbers], self.labels[numbers], masks, self.size)


@dataclass(frozen=True)
class Views:
    """In how many ways an image is shown to a model whose answers are merged: test-time augmentation. The default is
    the one way that the model was validated in.

    Raises InputError where a side is below 1.
    """

    scales: tuple[int, ...] = ()
    """Shorter sides, in pixels, at which each image is shown; what the model says of all is merged. Default: the
    model's own size."""
    flip: bool = False
    """Show each image mirrored, too, at every scale."""
    longest_side: int | None = None
    """Pixels that no side exceeds, whatever the scale. Default: the model's own limit, which grows with the scale."""

    def __post_init__(self) -> None:
        if min(*self.scales, 1, 1 if self.longest_side is None else self.longest_side) < 1:
            raise InputError(f"scales and the longest side are 1 pixel or more, not {self.scales}, {self.longest_side}")

    def limits(self, own: tuple[int, int]) -> list[tuple[int, int]]:
        """Shorter and longest side of every scale, where the model's own are `own`."""
        shorter, longest = own
        return [
            (side, max(side, round(longest * side / shorter) if self.longest_side is None else self.longest_side))
            for side in self.scales or (shorter,)
        ]


@dataclass(frozen=True)
class ExportedFile:
    """A file that `swinkit export` wrote, opened."""

    path: Path
    task: str
    """"classification", "detection" or "segmentation"."""
    classes: tuple[str, ...]
    """Names of the K classes."""
    metadata: Mapping[str, Any]
    """What else it says, as plain data: `architecture`, `preprocessing` and, of detectors, `masks`."""
    run: Callable[[Tensor], tuple[Tensor, ...]]
    """From images (B, C, H, W) on the CPU to its outputs."""


ONE_VIEW = Views()
"""An image is shown once, as in the validation of the training."""
