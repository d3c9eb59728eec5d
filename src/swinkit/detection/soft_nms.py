"""Soft-NMS (arXiv 1704.04503): boxes that overlap a better one lose score, instead of being left out.

Shapes: R boxes, D detections.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from swinkit.errors import InputError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Suppression:
    """What becomes of a box that overlaps a better one of its class.

    Raises InputError where sigma is not above 0 or min_score not a number.
    """

    method: Literal["greedy", "linear", "gaussian", "naive"] = "greedy"
    """"greedy": it is left out where the IoU is above nms_iou, plain NMS. The others are soft-NMS: its score is
    multiplied with 1 - IoU ("linear") or with 0 ("naive") where the IoU is nms_iou or more, or with exp(-IoU^2 / sigma)
    whatever the IoU ("gaussian")."""
    sigma: float = 0.5
    """Of "gaussian"."""
    min_score: float = 1e-3
    """Boxes that soft-NMS brings below this score are left out, 0..1; the best box of an image always stays."""

    def __post_init__(self) -> None:
        if not self.sigma > 0 or math.isnan(self.min_score):
            raise InputError(f"soft-NMS needs a sigma above 0 and a min_score, not {self.sigma} and {self.min_score}")


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    groups: Tensor,
    suppression: Suppression,
    *,
    iou: float,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[Tensor, Tensor]:
    """Numbers (D,) of the boxes that are left, best first, and their new scores (D,).

    Again and again the best remaining box is taken, of equal ones the first of the lowest group, and it lowers
    the scores of those of its group that remain. As scores only fall, the first `limit` boxes are the best ones.

    Args:
        boxes: (R, 4).
        scores: (R,).
        groups: (R,) int64; boxes of different groups, such as classes, do not change each other.
        suppression: any method but "greedy".
        iou: from which overlap on "linear" and "naive" act.
        limit: how many to take at most; None takes all. Where a tracer looks on, there must be one.
        offset: what is added to widths and heights: 1 for boxes whose last pixel is meant, as in older code.

    Raises:
        InputError: where the method is "greedy", which is plain NMS, or a tracer looks on and there is no limit.
    """
    if suppression.method == "greedy":
        raise InputError('the method "greedy" is plain NMS; soft-NMS is linear, gaussian or naive')
    if torch.compiler.is_compiling():
        if limit is None:
            raise InputError("a compiled or exported soft-NMS needs a limit: how many boxes it takes at most")
        return _traced(boxes.float(), scores.float(), groups, suppression, iou=iou, limit=limit, offset=offset)
    by_group = groups.argsort(stable=True)
    edges = boxes[by_group].t().float().cpu().contiguous().numpy()
    kept, left = _in_turn(
        np.concatenate([edges[2:] + np.float32(offset), -edges[:2]]),
        scores[by_group].float().cpu().numpy().copy(),
        groups[by_group].cpu().numpy(),
        suppression,
        iou=iou,
        limit=len(scores) if limit is None else limit,
    )
    return by_group[torch.from_numpy(kept).to(boxes.device)], torch.from_numpy(left).to(scores)


def _in_turn(
    edges: Floats, scores: Floats, groups: npt.NDArray[np.int64], suppression: Suppression, *, iou: float, limit: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """`soft_nms` of boxes sorted by group, one after the other: NumPy, whose calls cost a third of torch's.

    Args:
        edges: (4, R): right, bottom, -left, -top, so that the least of two is that of their intersection.
        scores: (R,), which are changed.
        groups: (R,), ascending.
        suppression, iou, limit: see `soft_nms`.
    """
    area = np.maximum(np.prod(edges[:2] + edges[2:], 0), _TINY)
    first, end = np.searchsorted(groups, groups, "left"), np.searchsorted(groups, groups, "right")
    kept, left = [], []
    for step in range(min(limit, len(scores))):
        best = int(scores.argmax())
        if step and scores[best] < suppression.min_score:
            break
        kept.append(best)
        left.append(scores[best])
        own = slice(first[best], end[best])
        common = np.minimum(edges[:, own], edges[:, best, None])
        sides = np.maximum(common[:2] + common[2:], 0)
        shared = sides[0] * sides[1]
        overlap = shared / (area[own] + area[best] - shared)
        scores[own] *= _kept_share(overlap, suppression, iou)
        scores[best] = -np.inf
    return np.array(kept, dtype=np.int64), np.array(left, dtype=np.float32)


def _kept_share(overlap: Floats, suppression: Suppression, iou: float) -> Floats:
    if suppression.method == "gaussian":
        return np.exp(overlap**2 * np.float32(-1 / suppression.sigma))
    lost = overlap if suppression.method == "linear" else np.float32(1)
    return 1 - (overlap >= np.float32(iou)) * lost


def _traced(
    boxes: Tensor, scores: Tensor, groups: Tensor, suppression: Suppression, *, iou: float, limit: int, offset: int
) -> tuple[Tensor, Tensor]:
    """`soft_nms` as one loop for tracers, which know neither R nor what is left."""
    # One box more, which is never taken: a tracer cannot tell whether there is any.
    boxes, groups = torch.cat([boxes, boxes.new_zeros(1, 4)]), torch.cat([groups, groups.new_full((1,), -1)])
    scores = torch.cat([scores, scores.new_full((1,), -torch.inf)])
    places = torch.arange(scores.shape[0], device=scores.device)
    steps = torch.arange(limit, device=scores.device)
    area = (boxes[:, 2:] - boxes[:, :2] + offset).prod(1).clamp(min=_TINY)

    def goes_on(step: Tensor, remaining: Tensor, kept: Tensor, left: Tensor) -> Tensor:
        return step < limit

    def take(step: Tensor, remaining: Tensor, kept: Tensor, left: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        score, best = remaining.max(0)
        box, size, group = (each.index_select(0, best[None]) for each in (boxes, area, groups))
        sides = torch.minimum(boxes[:, 2:], box[:, 2:]) - torch.maximum(boxes[:, :2], box[:, :2]) + offset
        shared = sides.clamp(min=0).prod(1)
        overlap = shared / (area + size - shared)
        if suppression.method == "gaussian":
            share = (-(overlap**2) / suppression.sigma).exp()
        else:
            share = 1 - (overlap >= iou) * (overlap if suppression.method == "linear" else 1.0)
        remaining = torch.where(groups == group, remaining * share, remaining)
        remaining = torch.where(places == best, -torch.inf, remaining)
        here = steps == step
        return step + 1, remaining, torch.where(here, best, kept), torch.where(here, score, left)

    begin = (steps.new_zeros(()), scores, torch.zeros_like(steps), scores.new_full((limit,), -torch.inf))
    _, _, kept, left = torch.while_loop(goes_on, take, begin)
    stays = (left >= suppression.min_score) | ((steps == 0) & (left > -torch.inf))
    return kept[stays], left[stays]


_TINY = 1e-12
"""Least area of a box: those without any overlap nothing, and are not divided by."""
