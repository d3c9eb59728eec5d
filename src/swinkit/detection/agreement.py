"""Are two detectors' detections of one image the same, but for rounding? Exported files are asked that.

Shapes: N and R detections, M side of a mask.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

MOST_PIXELS = 0.1
"""Of any edge of a box."""
MOST_SCORE = 1e-3
LEAST_IOU = 0.99
"""Of masks."""
NOTHING_FOUND = "in nothing, as neither finds anything"


class Agreement(NamedTuple):
    """How far the detections of one image are apart, after each was matched with one of the other side."""

    pixels: float
    """The largest distance of edges; infinite where a detection has no match."""
    is_equal: bool
    text: str


def compare_detections(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> Agreement:
    """Boxes (N, 4), scores (N,), labels (N,) and perhaps masks (N, M, M), 0..1, beside those that are expected.

    Detections of a class are matched by their boxes. One of twenty may be missing where its score is within MOST_SCORE
    of the lowest on either side: rounding decides whether such are above the threshold, or among the best.
    """
    if len(found) != len(expected):
        return Agreement(torch.inf, False, "by the number of its outputs")
    rows, columns, away = _matched(found, expected)
    lowest = min((float(side[1].min()) for side in (found, expected) if len(side[1])), default=0.0) + MOST_SCORE
    alone = [side[1][_others(len(side[1]), numbers)] for side, numbers in ((found, rows), (expected, columns))]
    lost = [len(scores) for scores in alone]
    if max(lost) > len(expected[1]) // 20 or any((scores > lowest).any() for scores in alone):
        text = f"by {lost[1]} of {len(expected[1])} detections that are missing and {lost[0]} that are new"
        return Agreement(torch.inf, False, text)
    if not len(rows):
        return Agreement(0.0, True, NOTHING_FOUND)
    scores = float((found[1][rows] - expected[1][columns]).abs().max())
    overlap = _least_overlap(found[3][rows], expected[3][columns]) if len(found) > 3 else 1.0
    pixels = float(away.max())
    text = f"in {len(rows)} boxes by {pixels:.1e} pixels, scores by {scores:.1e}"
    if len(found) > 3:
        text += f", masks with an IoU of {overlap:.4f}"
    return Agreement(pixels, pixels <= MOST_PIXELS and scores <= MOST_SCORE and overlap >= LEAST_IOU, text)


def _matched(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of the matched detections on both sides, and how far their boxes are apart."""
    away = (found[0][:, None] - expected[0]).abs().amax(2).nan_to_num(nan=torch.inf)
    score = (found[1][:, None] - expected[1]).abs()
    is_near = (away <= MOST_PIXELS) & (score <= MOST_SCORE) & (found[2][:, None] == expected[2])
    cost = torch.where(is_near, away + score, 1e6)
    rows, columns = (torch.as_tensor(each, dtype=torch.int64) for each in linear_sum_assignment(cost.numpy()))
    kept = is_near[rows, columns]
    return rows[kept], columns[kept], away[rows[kept], columns[kept]]


def _others(count: int, numbers: Tensor) -> Tensor:
    """Which of `count` are not among the numbers, (count,) bool."""
    others = torch.ones(count, dtype=torch.bool)
    others[numbers] = False
    return others


def _least_overlap(found: Tensor, expected: Tensor) -> float:
    """The least IoU of masks (N, M, M) cut at one half; places that rounding can bring to either side do not count."""
    is_sure = ((found - 0.5).abs() > MOST_SCORE) & ((expected - 0.5).abs() > MOST_SCORE)
    ours, theirs = (found > 0.5) & is_sure, (expected > 0.5) & is_sure
    shared, whole = (ours & theirs).flatten(1).sum(1), (ours | theirs).flatten(1).sum(1)
    overlap = torch.where(whole > 0, shared / whole.clamp(min=1), 1.0)
    return float(overlap.min()) if len(overlap) else 1.0
