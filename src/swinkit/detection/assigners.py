"""Which ground truth each box belongs to, by intersection over union (IoU).

Shapes: N instances, M boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

NEGATIVE = -1
IGNORED = -2


@dataclass(frozen=True)
class MatcherConfig:
    """Thresholds of IoU, 0..1."""

    positive_iou: float = 0.5
    """From this IoU on, a box belongs to the ground truth that it overlaps most."""
    negative_iou: float = 0.5
    """Below this IoU, a box is negative; between the two it is ignored."""
    low_quality_iou: float | None = None
    """The boxes that overlap a ground truth most belong to it all the same, from this IoU on; None does not do that."""


def match_boxes(truth: Tensor, boxes: Tensor, config: MatcherConfig) -> Tensor:
    """For every box the number of its ground truth, or `NEGATIVE`, or `IGNORED`: (M,) int64.

    Args:
        truth: boxes (N, 4); with none, every box is negative.
        boxes: (M, 4).
        config: thresholds.
    """
    if not len(truth) or not len(boxes):
        return boxes.new_full((len(boxes),), NEGATIVE, dtype=torch.int64)
    overlaps = box_iou(truth.float(), boxes.float())  # (N, M)
    best, matches = overlaps.max(0)
    matches = matches.where(best >= config.positive_iou, IGNORED)
    matches = matches.where(best >= config.negative_iou, NEGATIVE)
    if config.low_quality_iou is None:
        return matches
    # Where several share a best box, the published code lets the last one have it.
    highest = overlaps.max(1, keepdim=True).values
    is_best = (overlaps == highest) & (highest >= config.low_quality_iou)
    numbers = torch.arange(len(truth), device=boxes.device)[:, None]
    last = numbers.where(is_best, -1).max(0).values
    return last.where(last >= 0, matches)
