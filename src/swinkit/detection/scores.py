"""COCO's average precision of boxes and masks, gathered image by image and over processes.

Shapes: N detections, H W image, K classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pycocotools import mask as coco_mask

from swinkit.detection.coco_numbers import ClassNumbers, CocoNumbers, Kind, class_agnostic_recall, coco_numbers
from swinkit.errors import InputError
from swinkit.files import write_json
from swinkit.ops.masks import paste_masks
from swinkit.structures import Detections


@dataclass(frozen=True)
class DetectionResults:
    """What the detections of all images come to."""

    boxes: CocoNumbers
    masks: CocoNumbers | None
    """None where the detections have no masks."""
    class_boxes: tuple[ClassNumbers, ...]
    """In the order of the labels."""
    class_masks: tuple[ClassNumbers, ...] | None
    recall50: float
    """Share of the objects whose box is found, whatever its class: IoU 0.5 with one of 100 detections, one to one."""
    images: int
    """Images that were shown."""
    detections: int


class DetectionScores:
    """Collects detections, and compares them with the truth by pycocotools.

        scores = DetectionScores(data.coco(), has_masks=data.has_masks)
        scores.update(image_id, detections)                              # for every image
        for part in gathered(scores.to_bytes()):                         # with several processes, of the others:
            scores.add_bytes(part)
        results = scores.results()

    Images that are not shown count as images without detections.

    Args:
        truth: a COCO dict as `DetectionData.coco` makes it, its categories in the order of the labels.
        has_masks: whether masks are compared, too.
    """

    def __init__(self, truth: dict[str, Any], *, has_masks: bool) -> None:
        self.truth = truth
        self.has_masks = has_masks
        self._category_ids = [each["id"] for each in truth["categories"]]
        self._sizes = {each["id"]: (each["height"], each["width"]) for each in truth["images"]}
        self._found: dict[int, list[dict[str, Any]]] = {}

    def update(self, image_id: int, detections: Detections) -> None:
        """Adds the detections of an image, at its original size.

        Raises:
            InputError: where the image is unknown, was there before or has another size, labels are not among the
                truth's classes, values are not finite, or masks are lacking.
        """
        if image_id in self._found:
            raise InputError(f"detections of image {image_id} are given twice: show every image once")
        self._found[image_id] = self.as_coco(image_id, detections)

    @torch.no_grad()
    def as_coco(self, image_id: int, detections: Detections) -> list[dict[str, Any]]:
        """The detections of an image as COCO results, with masks where they are compared; InputError as `update`."""
        self._check(image_id, detections)
        boxes = detections.boxes.detach().double().cpu()
        boxes[:, 2:] -= boxes[:, :2]
        rows = zip(boxes.tolist(), detections.scores.tolist(), detections.labels.tolist(), strict=True)
        found = [
            {"image_id": image_id, "category_id": self._category_ids[label], "bbox": box, "score": score}
            for box, score, label in rows
        ]
        if self.has_masks:
            assert detections.masks is not None
            pasted = paste_masks(detections.masks, detections.boxes, detections.size)
            for each, mask in zip(found, pasted, strict=True):
                each["segmentation"] = encode_mask(mask.cpu().numpy())
        return found

    def _check(self, image_id: int, detections: Detections) -> None:
        if image_id not in self._sizes:
            raise InputError(f"detections of image {image_id}, which the truth does not have; give its image ids")
        if tuple(detections.size) != self._sizes[image_id]:
            raise InputError(
                f"detections of image {image_id} refer to {tuple(detections.size)} pixels (height, width), but it has "
                f"{self._sizes[image_id]}: scale them back to the original image"
            )
        labels = detections.labels
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self._category_ids):
            raise InputError(
                f"labels of image {image_id} run from {int(labels.min())} to {int(labels.max())}, but there are "
                f"{len(self._category_ids)} classes: is this the model of these classes?"
            )
        if not (detections.boxes.isfinite().all() and detections.scores.isfinite().all()):
            raise InputError(f"boxes or scores of image {image_id} are not finite: the model's weights may be broken")
        if self.has_masks and detections.masks is None:
            raise InputError(f"the detections of image {image_id} have no masks: compare boxes alone (has_masks=False)")

    def to_bytes(self) -> bytes:
        """Everything that was added, to be sent to another process."""
        return json.dumps(list(self._found.items())).encode()

    def add_bytes(self, content: bytes) -> None:
        """Adds what another process's `to_bytes` gave; images that are there already stay as they are."""
        for image_id, found in json.loads(content):
            self._found.setdefault(image_id, found)

    def results(self) -> DetectionResults:
        """The numbers over all images of the truth."""
        boxes, class_boxes = coco_numbers(self.truth, self._list("bbox"), "bbox")
        masks, class_masks = coco_numbers(self.truth, self._list("segm"), "segm") if self.has_masks else (None, None)
        return DetectionResults(
            boxes=boxes,
            masks=masks,
            class_boxes=tuple(class_boxes),
            class_masks=None if class_masks is None else tuple(class_masks),
            recall50=class_agnostic_recall(self.truth, self._list("bbox")),
            images=len(self._found),
            detections=sum(map(len, self._found.values())),
        )

    def write_results(self, path: Path, *, kind: Literal["boxes", "masks"] = "boxes") -> None:
        """Writes the detections as COCO results json, whole or not at all: what COCO's servers and tools take.

        Boxes and masks are two files, since pycocotools takes the area of a detection from its box where it has one.

        Raises:
            InputError: where there are no masks to write or the file cannot be written.
        """
        if kind == "masks" and not self.has_masks:
            raise InputError("there are no masks to write: the detections have boxes alone")
        write_json(path, self._list("bbox" if kind == "boxes" else "segm"))

    def _list(self, kind: Kind) -> list[dict[str, Any]]:
        """COCO results, images in the order of their ids."""
        lacking = "segmentation" if kind == "bbox" else "bbox"
        return [
            {name: value for name, value in each.items() if name != lacking}
            for image_id in sorted(self._found)
            for each in self._found[image_id]
        ]


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """COCO's compressed run lengths of a mask (H, W) bool, as they stand in a json."""
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(length) for length in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def results_table(results: DetectionResults) -> list[tuple[str, Sequence[float]]]:
    """Rows of a table: class name, box AP, AP50 and AP75, and those of masks where there are any; classes without
    objects have NaN. The first row, "all", is the mean over the classes."""

    def row(name: str, *parts: CocoNumbers | ClassNumbers | None) -> tuple[str, Sequence[float]]:
        values = [value for part in parts if part is not None for value in (part.ap, part.ap50, part.ap75)]
        return name, [math.nan if value < 0 else value for value in values]

    masks: Sequence[ClassNumbers | None] = results.class_masks or [None] * len(results.class_boxes)
    rows = [row("all", results.boxes, results.masks)]
    return rows + [row(box.name, box, mask) for box, mask in zip(results.class_boxes, masks, strict=True)]
