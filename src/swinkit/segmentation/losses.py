"""The cost of a map of logits, by the published code's rules.

Shapes: B images, H W image, h w map of logits, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from swinkit.errors import InputError
from swinkit.ops.labels import IGNORE


def segmentation_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    count_ignored: bool = True,
) -> Tensor:
    """Cross entropy of the logits, resized to the labels, as a scalar in float32.

    The published code (and mmsegmentation with its default `avg_non_ignore=False`) sums over the labelled pixels and
    divides by the number of all, the ignored ones included; so an image without any label costs 0, and so does its
    gradient. With class weights, a pixel counts as much as its class weighs, an ignored one 1.

    Args:
        logits: (B, K, h, w).
        labels: (B, H, W), 0..K-1 or `IGNORE`, of any integer type.
        class_weights: (K,); None weighs all classes 1.
        label_smoothing: 0..1: this share of every pixel's label is spread evenly over all classes.
        count_ignored: False divides by the labelled pixels alone, as torch's own cross entropy does.

    Raises:
        InputError: where shapes or (on the CPU, where looking costs little) labels do not fit, or a class would have
            the label that is ignored.
    """
    _check_labels(logits, labels)
    labels = labels.long()
    resized = F.interpolate(logits.float(), size=labels.shape[1:], mode="bilinear", align_corners=False)
    weights = None if class_weights is None else class_weights.to(resized)
    costs = F.cross_entropy(
        resized, labels, weight=weights, ignore_index=IGNORE, reduction="sum", label_smoothing=label_smoothing
    )
    return costs / _counted(labels, weights, count_ignored=count_ignored)


def _check_labels(logits: Tensor, labels: Tensor) -> None:
    """Raises InputError where labels (B, H, W) do not belong to logits (B, K, h, w)."""
    batch, classes = logits.shape[:2]
    if classes > IGNORE:
        raise InputError(
            f"{classes} classes cannot be learned: there can be {IGNORE}, as the label {IGNORE} is ignored"
        )
    if labels.ndim != 3 or len(labels) != batch or labels.is_floating_point():
        raise InputError(
            f"labels should be whole numbers of shape ({batch}, H, W), not {tuple(labels.shape)} of {labels.dtype}"
        )
    if labels.device.type == "cpu" and not torch.compiler.is_compiling():
        outside = labels[((labels < 0) | (labels >= classes)) & (labels != IGNORE)]
        if outside.numel():
            raise InputError(
                f"a label is {int(outside[0])}, but {classes} classes are numbered 0 to {classes - 1} (and {IGNORE} is "
                "ignored); check the masks and the class list"
            )


def _counted(labels: Tensor, weights: Tensor | None, *, count_ignored: bool) -> Tensor | float:
    """What the sum of costs is divided by."""
    if weights is None and count_ignored:
        return max(1, labels.numel())
    labelled = labels != IGNORE
    each = labelled.float() if weights is None else weights[labels.where(labelled, 0)] * labelled
    total = each.sum() + (~labelled).sum() * count_ignored
    return torch.where(total > 0, total, 1.0)
