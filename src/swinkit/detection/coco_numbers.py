"""COCO's twelve numbers by pycocotools, which defines them, without its printing.

Shapes: K classes.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

Kind = Literal["bbox", "segm"]

COCO_LIMIT = 100
"""Detections of an image, or of a class in it, that COCO counts."""


@dataclass(frozen=True)
class CocoNumbers:
    """0..1, or -1 where the ground truth has no such object, as pycocotools has it; in its order."""

    ap: float
    """Mean over IoU thresholds 0.50, 0.55, ... 0.95 and classes; at most 100 detections of a class in an image,
    or as many as were asked for."""
    ap50: float
    ap75: float
    ap_small: float
    """Objects below 32 x 32 pixels (by `area` of the annotation)."""
    ap_medium: float
    ap_large: float
    """Objects above 96 x 96 pixels."""
    ar1: float
    """Mean recall with the best detection of each image alone."""
    ar10: float
    ar100: float
    """With 100 detections, or as many as were asked for."""
    ar_small: float
    ar_medium: float
    ar_large: float

    @classmethod
    def from_stats(cls, stats: Sequence[float]) -> Self:
        return cls(*(float(value) for value in stats))

    def as_dict(self) -> dict[str, float]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class ClassNumbers:
    """One class; NaN where the ground truth has no object of it."""

    name: str
    ap: float
    ap50: float
    ap75: float


def coco_numbers(
    truth: dict[str, Any], detections: Sequence[dict[str, Any]], kind: Kind, *, limit: int = COCO_LIMIT
) -> tuple[CocoNumbers, list[ClassNumbers]]:
    """The twelve numbers, and those of each class in the order of the truth's categories.

    Args:
        truth: a COCO dict.
        detections: COCO results: image_id, category_id, score, and bbox or segmentation.
        kind: what overlaps are taken of.
        limit: how many detections of a class are counted in an image, the best first.
    """
    evaluation = _evaluated(truth, detections, kind, limit)
    evaluation.params.maxDets[-1] = COCO_LIMIT  # summarize() looks for the column of that name
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    return CocoNumbers.from_stats(evaluation.stats), _class_numbers(evaluation, truth["categories"])


def class_agnostic_recall(
    truth: dict[str, Any], detections: Sequence[dict[str, Any]], *, iou: float = 0.5, limit: int = COCO_LIMIT
) -> float:
    """Share of the objects whose box one of the image's `limit` best detections overlaps by `iou`, whatever its class;
    one detection finds one object. NaN without objects. Crowds do not count."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(*_indexed(truth, detections), "bbox")
    evaluation.params.useCats = 0
    evaluation.params.iouThrs = np.array([iou])
    evaluation.params.maxDets = [1, 10, limit]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [evaluation.params.areaRng[0]], ["all"]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    recall = float(evaluation.eval["recall"][0, 0, 0, -1])
    return recall if recall >= 0 else float("nan")


def _evaluated(truth: dict[str, Any], detections: Sequence[dict[str, Any]], kind: Kind, limit: int) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(*_indexed(truth, detections), kind)
        evaluation.params.maxDets = [1, 10, limit]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _indexed(truth: dict[str, Any], detections: Sequence[dict[str, Any]]) -> tuple[COCO, COCO]:
    """Both sides as pycocotools takes them; it writes into the annotations, which are therefore copied."""
    reference = COCO()
    reference.dataset = {**truth, "annotations": [dict(each) for each in truth["annotations"]]}
    reference.createIndex()
    if detections:
        return reference, reference.loadRes([dict(each) for each in detections])
    nothing = COCO()  # loadRes looks at the first detection
    nothing.dataset = {**copy.copy(truth), "annotations": []}
    nothing.createIndex()
    return reference, nothing


def _class_numbers(evaluation: Any, categories: Sequence[dict[str, Any]]) -> list[ClassNumbers]:
    precision = evaluation.eval["precision"]  # (IoU thresholds, recalls, K by ascending id, areas, detection limits)
    thresholds = evaluation.params.iouThrs.round(2).tolist()
    place = {number: index for index, number in enumerate(evaluation.params.catIds)}

    def mean(number: int, *, of: slice = slice(None)) -> float:
        values = precision[of, :, place[number], 0, -1]
        values = values[values > -1]
        return float(values.mean()) if values.size else float("nan")

    def at(iou: float) -> slice:
        return slice(thresholds.index(iou), thresholds.index(iou) + 1)

    return [
        ClassNumbers(each["name"], mean(each["id"]), mean(each["id"], of=at(0.5)), mean(each["id"], of=at(0.75)))
        for each in categories
    ]
