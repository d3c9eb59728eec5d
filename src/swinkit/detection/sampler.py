"""Which boxes of an image are learned from.

Shapes: N objects, M boxes, P foreground, Q background samples.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from swinkit.detection.config import MatcherConfig, SamplerConfig
from swinkit.detection.matcher import BACKGROUND, match_boxes


class Samples(NamedTuple):
    """Boxes of one image to learn from: first foreground, then background."""

    boxes: Tensor
    """(P + Q, 4)."""
    objects: Tensor
    """(P,) int64: the object of each foreground box."""
    are_objects: Tensor
    """(P + Q,) bool: whether the box is an object's own, not a proposal."""

    @property
    def foreground(self) -> Tensor:
        """The boxes that belong to objects, (P, 4)."""
        return self.boxes[: len(self.objects)]


def choose(matches: Tensor, config: SamplerConfig) -> tuple[Tensor, Tensor]:
    """Random foreground and background boxes, as ascending numbers (P,) and (Q,).

    Draws from torch's global CPU generator, and only where there are more than wanted.

    Args:
        matches: (M,) of `match_boxes`.
        config: how many.
    """
    foreground = _some(torch.nonzero(matches >= 0)[:, 0], int(config.count * config.foreground))
    wanted = config.count - len(foreground)
    if config.background_limit is not None:
        wanted = min(wanted, int(config.background_limit * max(1, len(foreground))))
    return foreground, _some(torch.nonzero(matches == BACKGROUND)[:, 0], wanted)


def sample_proposals(proposals: Tensor, objects: Tensor, matcher: MatcherConfig, sampler: SamplerConfig) -> Samples:
    """Match proposals (M, 4) with the boxes of objects (N, 4), and choose some."""
    boxes, matches = proposals, match_boxes(objects, proposals, matcher)
    are_objects = torch.zeros_like(matches, dtype=torch.bool)
    if sampler.adds_objects:
        boxes = torch.cat([objects.to(proposals), proposals])
        matches = torch.cat([torch.arange(len(objects), device=matches.device), matches])
        are_objects = torch.cat([are_objects.new_ones(len(objects)), are_objects])
    foreground, background = choose(matches, sampler)
    chosen = torch.cat([foreground, background])
    return Samples(boxes[chosen], matches[foreground], are_objects[chosen])


def _some(numbers: Tensor, count: int) -> Tensor:
    if len(numbers) <= count:
        return numbers
    drawn = torch.randperm(len(numbers))[:count].sort().values
    return numbers[drawn.to(numbers.device)]
