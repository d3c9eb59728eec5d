"""Cross entropy for classes and for mixed or smoothed targets (paper A2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.errors import InputError

ClassWeights = tuple[float, ...] | Literal["balanced"]


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


def weights_of_classes(told: ClassWeights, counts: Sequence[int]) -> Tensor:
    """(K,) float32: `told`, or for "balanced" numbers with which every class that has images counts the same; scaled so
    that an image of the training weighs 1 in the mean, and the learning rate need not change.

    Args:
        told: one number from 0 on for each class, or "balanced".
        counts: training images of each class.

    Raises:
        InputError: where there is another number of them, or no image weighs anything.
    """
    images = torch.tensor(counts, dtype=torch.float64)
    if told == "balanced":
        weights = torch.where(images > 0, 1 / images.clamp(min=1), 0.0)
    else:
        weights = torch.tensor(told, dtype=torch.float64)
        if len(weights) != len(images) or not bool((weights >= 0).all()) or not float((weights * images).sum()) > 0:
            raise InputError(
                f"--class-weights must be {len(images)} numbers from 0 on, not all 0, one for each class, or balanced; "
                f"there are {len(weights)}"
            )
    mean = (weights * images).sum() / images.sum()
    return (weights / mean).float()
