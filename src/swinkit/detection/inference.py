"""From scores to detections: thresholds and non-maximum suppression (NMS) within each class.

Shapes: R regions, K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from swinkit.detection.box_head import BoxOutputs, deltas_of
from swinkit.detection.detector import Size
from swinkit.detection.nms import suppressed
from swinkit.detection.soft_nms import Suppression
from swinkit.ops.boxes import Stds, decode_boxes


class Found(NamedTuple):
    """Detections of one image in the padded image's pixels, best first."""

    boxes: Tensor
    """(R, 4)."""
    scores: Tensor
    """(R,), 0..1."""
    labels: Tensor
    """(R,), 0..K-1."""


@torch.no_grad()
def detect_scored(
    boxes: Tensor,
    scores: Tensor,
    *,
    score_threshold: float,
    nms_iou: float,
    suppression: Suppression,
    detections: int,
) -> Found:
    """As `detect`, of boxes (R, K, 4), or (R, 1, 4) where they do not depend on the class, and scores (R, K + 1)."""
    regions, labels = torch.nonzero(scores[:, :-1] > score_threshold, as_tuple=True)
    found = boxes.expand(-1, scores.shape[1] - 1, 4)[regions, labels]
    kept, score = suppressed(found, scores[regions, labels], labels, suppression, iou=nms_iou, limit=detections)
    return Found(found[kept], score, labels[kept])


@torch.no_grad()
def detect(
    boxes: Tensor,
    outputs: BoxOutputs,
    size: Size,
    *,
    stds: Stds,
    score_threshold: float,
    nms_iou: float,
    suppression: Suppression,
    detections: int,
) -> Found:
    """Scores over the threshold, after NMS within each class, the best of them.

    Args:
        boxes: the regions (R, 4) of one image that `outputs` are of.
        outputs: class logits and encoded boxes.
        size: height and width of the image without padding.
        stds: units of the encoded boxes.
        score_threshold: scores must be above it, 0..1.
        nms_iou: detections of a class that overlap more than this suppress each other.
        suppression: how.
        detections: at most so many.
    """
    scores = outputs.logits.softmax(1)[:, :-1]  # (R, K)
    regions, labels = torch.nonzero(scores > score_threshold, as_tuple=True)
    score = scores[regions, labels]
    chosen = BoxOutputs(outputs.logits[regions], outputs.deltas[regions])
    found = decode_boxes(boxes[regions], deltas_of(chosen, labels), stds, size)
    kept, score = suppressed(found, score, labels, suppression, iou=nms_iou, limit=detections)
    return Found(found[kept], score, labels[kept])
