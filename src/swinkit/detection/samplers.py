"""Which boxes of an image are learned from.

Shapes: N instances, M boxes, P positives, Q negatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from swinkit.detection.assigners import NEGATIVE, MatcherConfig, match_boxes


@dataclass(frozen=True)
class SamplerConfig:
    """How many boxes of an image are learned from."""

    count: int = 512
    """Boxes at most."""
    positive_fraction: float = 0.25
    """Share that may be positive; negatives fill up."""
    negatives_per_positive: float | None = None
    """Negatives for each positive at most; None does not limit them."""
    add_gt_proposals: bool = True
    """The ground truth's own boxes are candidates, too."""


class Samples(NamedTuple):
    """Boxes of one image to learn from: first positives, then negatives."""

    boxes: Tensor
    """(P + Q, 4)."""
    matched: Tensor
    """(P,) int64: the ground truth of each positive."""
    are_gt: Tensor
    """(P + Q,) bool: whether the box is a ground truth's own, not a proposal."""

    @property
    def positives(self) -> Tensor:
        """The boxes that belong to a ground truth, (P, 4)."""
        return self.boxes[: len(self.matched)]


def choose(matches: Tensor, config: SamplerConfig) -> tuple[Tensor, Tensor]:
    """Random positives and negatives, as ascending numbers (P,) and (Q,).

    Draws from torch's global CPU generator, and only where there are more than wanted.

    Args:
        matches: (M,) of `match_boxes`.
        config: how many.
    """
    positives = _some(torch.nonzero(matches >= 0)[:, 0], int(config.count * config.positive_fraction))
    wanted = config.count - len(positives)
    if config.negatives_per_positive is not None:
        wanted = min(wanted, int(config.negatives_per_positive * max(1, len(positives))))
    return positives, _some(torch.nonzero(matches == NEGATIVE)[:, 0], wanted)


@torch.no_grad()
def sample_proposals(proposals: Tensor, truth: Tensor, matcher: MatcherConfig, sampler: SamplerConfig) -> Samples:
    """Match proposals (M, 4) with the boxes of the ground truth (N, 4), and choose some."""
    boxes, matches = proposals, match_boxes(truth, proposals, matcher)
    are_gt = torch.zeros_like(matches, dtype=torch.bool)
    if sampler.add_gt_proposals:
        boxes = torch.cat([truth.to(proposals), proposals])
        matches = torch.cat([torch.arange(len(truth), device=matches.device), matches])
        are_gt = torch.cat([are_gt.new_ones(len(truth)), are_gt])
    positives, negatives = choose(matches, sampler)
    chosen = torch.cat([positives, negatives])
    return Samples(boxes[chosen], matches[positives], are_gt[chosen])


def _some(numbers: Tensor, count: int) -> Tensor:
    if len(numbers) <= count:
        return numbers
    drawn = torch.randperm(len(numbers))[:count].sort().values
    return numbers[drawn.to(numbers.device)]
