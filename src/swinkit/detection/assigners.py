"""Which ground truth each box belongs to.

Shapes: N instances, M boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchvision.ops import box_iou

NEGATIVE = -1
IGNORED = -2


@dataclass(frozen=True)
class MatcherConfig:
    """Thresholds of the intersection over union (IoU), 0..1."""

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


def assign_atss(
    truth: Tensor,
    boxes: Tensor,
    centres: Tensor,
    levels: Sequence[int],
    *,
    topk: int = 9,
    fill: bool = False,
    middles: Tensor | None = None,
) -> Tensor:
    """Adaptive training sample selection (arXiv 1912.02424, algorithm 1): for every box the number of its ground truth,
    or `NEGATIVE`: (M,) int64.

    Of each level the `topk` boxes nearest to a ground truth are its candidates; those are positive whose IoU is at
    least the mean plus the standard deviation of all candidates' and whose centre lies inside. A box that is positive
    for several belongs to the one it overlaps most.

    Args:
        truth: boxes (N, 4); with none, every box is negative.
        boxes: (M, 4), level after level.
        centres: their centres (M, 2).
        levels: how many boxes each level has; they sum to M.
        topk: candidates of a level.
        fill: a level with fewer boxes gives some of them twice, so that each has as much say in mean and deviation.
        middles: (N, 2) of the ground truth, from which distances count; None is the middle of its box.
    """
    matches = boxes.new_full((len(boxes),), NEGATIVE, dtype=torch.int64)
    if not len(truth) or not len(boxes):
        return matches
    overlaps = box_iou(boxes, truth)  # (M, N)
    middles = (truth[:, :2] + truth[:, 2:]) / 2 if middles is None else middles
    distances = (centres[:, None] - middles).pow(2).sum(-1).sqrt()  # (M, N)
    chosen, start = [], 0
    for count in levels:
        nearest = distances[start : start + count].topk(min(topk, count), dim=0, largest=False).indices
        if fill and 0 < count < topk:
            nearest = nearest[torch.arange(topk, device=boxes.device) % count]
        chosen.append(nearest + start)
        start += count
    candidates = torch.cat(chosen)  # (C, N)
    iou = overlaps.gather(0, candidates)
    is_positive = iou >= iou.mean(0) + iou.std(0)
    spot = centres[candidates]  # (C, N, 2)
    inside = torch.cat([spot - truth[:, :2], truth[:, 2:] - spot], -1).amin(-1) > 0.01
    held = overlaps.new_full(overlaps.shape, -1.0)
    held.scatter_(0, candidates, iou.where(is_positive & inside, -1.0))
    best, owner = held.max(1)
    return owner.where(best >= 0, matches)


def assign_one_to_one(cost: Tensor) -> tuple[Tensor, Tensor]:
    """The matching of boxes and ground truth that costs least in all (the Hungarian algorithm): numbers of the matched
    boxes, (P,), and of their ground truth, (P,), P the smaller of M and N.

    Args:
        cost: (M, N), of each box for each ground truth.
    """
    rows, columns = linear_sum_assignment(cost.detach().cpu().numpy())
    return torch.as_tensor(rows, device=cost.device), torch.as_tensor(columns, device=cost.device)
