"""Non-maximum suppression (NMS): of boxes that overlap, the best.

Shapes: R boxes, D detections.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import batched_nms, nms

from swinkit.detection.soft_nms import Suppression, soft_nms


def nms_within(boxes: Tensor, scores: Tensor, groups: Tensor, iou: float) -> Tensor:
    """Numbers of the boxes (R, 4) that are left after NMS within each group (R,), those of best score first.

    torchvision's; where a tracer looks on, which cannot know R, the boxes of each group are moved apart, as torchvision
    does with few boxes.
    """
    if not torch.compiler.is_compiling():
        return batched_nms(boxes, scores, groups, iou)
    largest = torch.cat([boxes.flatten(), boxes.new_zeros(1)]).max()
    return nms(boxes + (groups * (largest + 1))[:, None], scores, iou)


def suppressed(
    boxes: Tensor, scores: Tensor, labels: Tensor, suppression: Suppression, *, iou: float, limit: int
) -> tuple[Tensor, Tensor]:
    """Numbers (D,) of the at most `limit` best boxes (R, 4) that are left after NMS or soft-NMS within each class (R,),
    best first, and their scores (D,), which soft-NMS lowers; `iou` is as `Suppression` says."""
    if suppression.method != "greedy":
        return soft_nms(boxes, scores, labels, suppression, iou=iou, limit=limit)
    kept = nms_within(boxes, scores, labels, iou)[:limit]
    return kept, scores[kept]
