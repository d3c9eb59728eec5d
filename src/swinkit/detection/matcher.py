"""Which box belongs to which object.

Shapes: N objects, M boxes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou

from swinkit.detection.config import MatcherConfig

BACKGROUND = -1
IGNORED = -2


def match_boxes(objects: Tensor, boxes: Tensor, config: MatcherConfig) -> Tensor:
    """For every box the number of its object, or `BACKGROUND`, or `IGNORED`: (M,) int64.

    Args:
        objects: (N, 4); with none, every box is background.
        boxes: (M, 4).
        config: thresholds.
    """
    if not len(objects) or not len(boxes):
        return boxes.new_full((len(boxes),), BACKGROUND, dtype=torch.int64)
    overlaps = box_iou(objects.float(), boxes.float())  # (N, M)
    best, matches = overlaps.max(0)
    matches = matches.where(best >= config.foreground, IGNORED)
    matches = matches.where(best >= config.background, BACKGROUND)
    if config.low_quality is None:
        return matches
    # Of objects that share a best box, the published code lets the last one have it.
    highest = overlaps.max(1, keepdim=True).values
    is_best = (overlaps == highest) & (highest >= config.low_quality)
    numbers = torch.arange(len(objects), device=boxes.device)[:, None]
    last = numbers.where(is_best, -1).max(0).values
    return last.where(last >= 0, matches)
