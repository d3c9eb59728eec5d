"""Non-maximum suppression (NMS): of boxes that overlap, the best.

Shapes: R boxes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import batched_nms, nms


def nms_within(boxes: Tensor, scores: Tensor, groups: Tensor, iou: float) -> Tensor:
    """Numbers of the boxes (R, 4) that are left after NMS within each group (R,), those of best score first.

    torchvision's; where a tracer looks on, which cannot know R, the boxes of each group are moved apart, as torchvision
    does with few boxes.
    """
    if not torch.compiler.is_compiling():
        return batched_nms(boxes, scores, groups, iou)
    largest = torch.cat([boxes.flatten(), boxes.new_zeros(1)]).max()
    return nms(boxes + (groups * (largest + 1))[:, None], scores, iou)
