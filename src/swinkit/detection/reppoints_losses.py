"""The losses of RepPoints v2 as the official code has them.

Shapes: B images, M points, N instances, P positives, K classes, L places.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou

from swinkit.structures import Instances


def old_giou_loss(boxes: Tensor, wanted: Tensor) -> Tensor:
    """The sum of 1 - GIoU between (P, 4) and (P, 4) by the old rule that sides are right - left + 1."""
    low, high = torch.maximum(boxes[:, :2], wanted[:, :2]), torch.minimum(boxes[:, 2:], wanted[:, 2:])
    overlap = (high - low + 1).clamp(min=0).prod(1)
    areas = [(each[:, 2:] - each[:, :2] + 1).prod(1) for each in (boxes, wanted)]
    union = areas[0] + areas[1] - overlap + 1e-6
    outer_low, outer_high = torch.minimum(boxes[:, :2], wanted[:, :2]), torch.maximum(boxes[:, 2:], wanted[:, 2:])
    outer = (outer_high - outer_low + 1).clamp(min=0).prod(1) + 1e-6
    return (1 - (overlap / union - (outer - union) / outer)).sum()


def quality_focal_loss(
    logits: Tensor,
    boxes: Tensor,
    matches: Sequence[tuple[Tensor, Tensor]],
    targets: Sequence[Instances],
    weights: Tensor,
) -> Tensor:
    """The summed cross entropy of classes (B, M, K) with how well the boxes (B, M, 4) overlap their ground truth, in
    place of 1 (arXiv 2006.04388); what is right already counts little, and each point as much as `weights` (B, M)."""
    quality = torch.zeros_like(logits)
    for image, ((numbers, matched), truth) in enumerate(zip(matches, targets, strict=True)):
        overlaps = box_iou(boxes[image, numbers], truth.boxes[matched].float()).diagonal()
        quality[image, numbers, truth.labels[matched]] = overlaps
    lacking = (quality - logits.sigmoid()).abs().square() * weights[..., None]
    return (F.binary_cross_entropy_with_logits(logits, quality, reduction="none") * lacking).sum()


def corner_focal_loss(logits: Tensor, heat: Tensor, valid: Tensor) -> Tensor:
    """The summed focal loss of a heat map (L,) around its peaks (CornerNet, equation 1)."""
    p = logits.sigmoid()
    positive = -(p + 1e-12).log() * (1 - p).square() * (heat == 1)
    negative = -(1 - p + 1e-12).log() * p.square() * (1 - heat).pow(4)
    return ((positive + negative) * valid).sum()


def semantic_focal_loss(logits: Tensor, painted: Tensor, weights: Tensor) -> Tensor:
    """The focal loss of a semantic map (L,): painted places by weight, the others by the number of painted ones."""
    is_painted = painted > 0
    p = logits.sigmoid()
    positive = 0.25 * weights * -F.logsigmoid(logits) * (1 - p).square()
    negative = 0.75 * -F.logsigmoid(-logits) * p.square()
    weight = (weights * is_painted).sum().clamp(min=1e-12)
    count = is_painted.sum().clamp(min=1)
    return (positive * is_painted).sum() / weight + (negative * ~is_painted).sum() / count
