"""Cross entropy for classes and for mixed or smoothed targets (paper A2.1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def soft_target_cross_entropy(
    logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross entropy over the batch.

    Args:
        logits: (B, K).
        targets: class numbers (B,) int64, or the share of each class (B, K), which sum to 1, as Mixup makes them.
        smoothing: label smoothing, 0..1: this share of every target is spread evenly over all classes.
        class_weights: (K,) what each class's share of a target weighs; None weighs all 1. The sum of the costs is
            divided by B all the same, so that it does not matter with which others an image is in a batch.
    """
    if class_weights is None:
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)
    logits = logits.float()
    weight = class_weights.to(logits)
    return F.cross_entropy(logits, targets, weight=weight, label_smoothing=smoothing, reduction="sum") / len(logits)
