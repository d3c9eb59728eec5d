"""One image, shown to a detector in several sizes and mirrored: test-time augmentation.

Shapes: R boxes, h w image as it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, overload

import torch
from torch import Tensor

from swinkit.detection.nms import suppressed
from swinkit.detection.soft_nms import Suppression
from swinkit.ops.resizing import resized_image, resized_shape
from swinkit.structures import Detections, Views

MERGE_IOU = 0.5
"""Detections of a class that overlap more than this in different views are one, where the detector has no such number
of its own."""


class View(NamedTuple):
    """One way in which an image is shown."""

    image: Tensor
    """RGB (3, h, w), 0..255: the original resized, then mirrored where it is."""
    scale: tuple[float, float]
    """What the original's width and height were multiplied with."""
    is_mirrored: bool = False
    """Left and right are exchanged."""

    def shown(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) of the original where this view shows them."""
        boxes = boxes * boxes.new_tensor(self.scale * 2)
        return mirrored_boxes(boxes, self.image.shape[2]) if self.is_mirrored else boxes

    def original(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) of this view where the original has them."""
        boxes = mirrored_boxes(boxes, self.image.shape[2]) if self.is_mirrored else boxes
        return boxes / boxes.new_tensor(self.scale * 2)

    def upright(self, found: Detections) -> Detections:
        """Detections at the original's size the right way round, where they were found in this view."""
        if not self.is_mirrored:
            return found
        masks = None if found.masks is None else found.masks.flip(2)
        return found._replace(boxes=mirrored_boxes(found.boxes, self.image.shape[2] / self.scale[0]), masks=masks)


class ImageViews(Sequence[View]):
    """The views of an image, each made when it is asked for, so that one is held at a time.

    Args:
        image: RGB (3, H, W) uint8.
        views: how it is shown.
        own: shorter and longest side at which the detector is shown images otherwise, in pixels.
        device: where the views go.
    """

    def __init__(self, image: Tensor, views: Views, own: tuple[int, int], device: torch.device) -> None:
        self.image = image
        self.device = device
        mirrored = (False, True) if views.flip else (False,)
        self.kinds = [(limits, is_mirrored) for limits in views.limits(own) for is_mirrored in mirrored]

    def __len__(self) -> int:
        return len(self.kinds)

    @overload
    def __getitem__(self, index: int) -> View: ...

    @overload
    def __getitem__(self, index: slice) -> list[View]: ...

    def __getitem__(self, index: int | slice) -> View | list[View]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        limits, is_mirrored = self.kinds[index]
        height, width = self.image.shape[1:]
        size = resized_shape(height, width, 1.0, limits)
        shown = resized_image(self.image, size).to(self.device)
        return View(shown.flip(2) if is_mirrored else shown, (size[1] / width, size[0] / height), is_mirrored)


def mirrored_boxes(boxes: Tensor, width: float) -> Tensor:
    """Boxes (..., 4) of an image of this width with left and right exchanged."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([width - right, top, width - left, bottom], -1)


def merged_detections(parts: Sequence[Detections]) -> Detections:
    """What several views found in one image, at its size and upright: of detections of a class that overlap more than
    `MERGE_IOU` the best, and no more than the most of a view. Of one view, all."""
    if len(parts) == 1:
        return parts[0]
    boxes, scores, labels = (
        torch.cat(column) for column in zip(*((p.boxes, p.scores, p.labels) for p in parts), strict=True)
    )
    most = max(len(part.scores) for part in parts)
    kept, scores = suppressed(boxes, scores, labels, Suppression(), iou=MERGE_IOU, limit=most)
    masks = [part.masks for part in parts if part.masks is not None]
    return Detections(boxes[kept], scores, labels[kept], torch.cat(masks)[kept] if masks else None, parts[0].size)
