"""How far predicted boxes are from the ground truth."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def box_distance(predicted: Tensor, wanted: Tensor, beta: float) -> Tensor:
    """The sum of L1 differences between (R, 4) and (R, 4), smooth below `beta`."""
    if beta > 0:
        return F.smooth_l1_loss(predicted, wanted, beta=beta, reduction="sum")
    return F.l1_loss(predicted, wanted, reduction="sum")
