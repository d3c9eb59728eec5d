"""Non-maximum suppression (NMS): of boxes that overlap, the best.

Shapes: R boxes, D detections.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import batched_nms, nms

from swinkit.detection.soft_nms import Suppression, soft_nms

COLUMNS = 16
"""Of the grid of groups."""


def nms_within(boxes: Tensor, scores: Tensor, groups: Tensor, iou: float) -> Tensor:
    """Numbers of the boxes (R, 4) that are left after NMS within each group (R,), those of best score first:
    torchvision's, or `nms_apart` where a tracer looks on, which cannot know R."""
    return (nms_apart if torch.compiler.is_compiling() else batched_nms)(boxes, scores, groups, iou)


def nms_apart(boxes: Tensor, scores: Tensor, groups: Tensor, iou: float) -> Tensor:
    """`nms_within` by one NMS, for which the boxes of each group are moved away from the others', as torchvision does
    with few boxes, but to a place in a grid and not in a row: far away, numbers are too coarse for small boxes."""
    largest = torch.cat([boxes.flatten(), boxes.new_zeros(1)]).max()
    places = torch.stack([groups % COLUMNS, groups // COLUMNS] * 2, 1)
    return nms(boxes + places * (largest + 1), scores, iou)


def suppressed(
    boxes: Tensor, scores: Tensor, labels: Tensor, suppression: Suppression, *, iou: float, limit: int
) -> tuple[Tensor, Tensor]:
    """Numbers (D,) of the at most `limit` best boxes (R, 4) that are left after NMS or soft-NMS within each class (R,),
    best first, and their scores (D,), which soft-NMS lowers; `iou` is as `Suppression` says."""
    if suppression.method != "greedy":
        return soft_nms(boxes, scores, labels, suppression, iou=iou, limit=limit)
    kept = nms_within(boxes, scores, labels, iou)[:limit]
    return kept, scores[kept]
