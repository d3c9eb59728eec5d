"""Distances of boxes as losses.

Shapes: R boxes.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss


def box_distance(predicted: Tensor, wanted: Tensor, beta: float) -> Tensor:
    """The sum of L1 differences between (R, 4) and (R, 4), smooth below `beta`."""
    if beta > 0:
        return F.smooth_l1_loss(predicted, wanted, beta=beta, reduction="sum")
    return F.l1_loss(predicted, wanted, reduction="sum")


def giou_loss(predicted: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of 1 - GIoU (arXiv 1902.09630) between (R, 4) and (R, 4), weights (R,)."""
    return (generalized_box_iou_loss(predicted, wanted, reduction="none", eps=1e-6) * weights).sum()
