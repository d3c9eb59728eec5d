"""Mean IoU, IoU of each class, pixel and mean accuracy of a segmentor, from one confusion matrix.

Shapes: B images, H W image, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from swinkit.errors import InputError
from swinkit.ops.labels import IGNORE


class SegmentationScores:
    """Counts pixels by true and predicted class; all scores follow from the counts, so counts of processes add up.

        scores = SegmentationScores(num_classes)
        scores.update(classes, labels)                                  # for every image or batch
        counts = scores.counts()                                        # with several processes:
        torch.distributed.all_reduce(counts)
        scores = SegmentationScores.from_counts(counts, num_classes=num_classes)
        print(scores.miou, scores.pixel_accuracy)

    All scores are 0..1, over all images together, and those of no pixels NaN. The definitions are mmsegmentation's: a
    class that is neither in the labels nor in the predictions has no IoU and is left out of the mean; one that is in
    the predictions alone has IoU 0 and counts, but has no accuracy.

    Args:
        num_classes: K.
        device: where the counts lie; with NCCL it must be the process's GPU.

    Raises:
        InputError: where there is no class, or so many that a label of 255 would be one.
    """

    def __init__(self, num_classes: int, *, device: torch.device | str = "cpu") -> None:
        if not 1 <= num_classes <= IGNORE:
            raise InputError(f"a segmentor to be scored needs 1 to {IGNORE} classes, not {num_classes}")
        self.num_classes = num_classes
        self._table = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)

    @torch.no_grad()
    def update(self, classes: Tensor, labels: Tensor) -> None:
        """Adds an image (H, W) or a batch (B, H, W).

        Args:
            classes: predictions, 0..K-1, of any integer type.
            labels: as large, 0..K-1 or 255 for pixels that are not counted.

        Raises:
            InputError: where shapes or values do not fit.
        """
        if classes.shape != labels.shape or classes.is_floating_point() or labels.is_floating_point():
            raise InputError(
                f"predictions {tuple(classes.shape)} of {classes.dtype} and labels {tuple(labels.shape)} of "
                f"{labels.dtype} should be whole numbers of one shape"
            )
        labels = labels.to(classes.device)
        is_counted = labels != IGNORE
        truth, guess = labels[is_counted].long(), classes[is_counted].long()
        self._check("labels", truth)
        self._check("predictions", guess)
        cells = torch.bincount(truth * self.num_classes + guess, minlength=self.num_classes**2)
        self._table += cells.view_as(self._table).to(self._table.device)

    def _check(self, kind: str, values: Tensor) -> None:
        if not values.numel():
            return
        low, high = (int(value) for value in values.aminmax())
        if low < 0 or high >= self.num_classes:
            raise InputError(
                f"{kind} run from {low} to {high}, but {self.num_classes} classes are numbered 0 to "
                f"{self.num_classes - 1} (and {IGNORE} is ignored in labels); check the masks and the class list"
            )

    def counts(self) -> Tensor:
        """All counts as one flat int64 tensor (K * K,), a new one, to be summed over processes."""
        return self._table.flatten().clone()

    @classmethod
    def from_counts(cls, counts: Tensor, *, num_classes: int) -> Self:
        """The scores that `counts` tell, where `counts` is the sum of several `counts()`; on their device.

        Raises:
            InputError: where the size is that of other `num_classes`.
        """
        scores = cls(num_classes, device=counts.device)
        if counts.shape != (num_classes**2,):
            raise InputError(
                f"counts of {num_classes} classes should have the shape ({num_classes**2},), not {tuple(counts.shape)}"
            )
        scores._table = counts.round().long().view(num_classes, num_classes).clone()
        return scores

    @property
    def confusion(self) -> Tensor:
        """(K, K) int64 on the CPU, a copy: pixels; rows are the truth, columns the prediction."""
        return self._table.cpu().clone()

    @property
    def pixels(self) -> int:
        """How many pixels were counted."""
        return int(self._table.sum())

    @property
    def miou(self) -> float:
        """Mean IoU over the classes that are in the labels or the predictions."""
        return _mean(self.per_class_iou())

    @property
    def classes_measured(self) -> int:
        """How many classes have an IoU, and are in the mean."""
        return int((~self.per_class_iou().isnan()).sum())

    @property
    def pixel_accuracy(self) -> float:
        """Share of the pixels that are right."""
        return int(self._table.diagonal().sum()) / self.pixels if self.pixels else float("nan")

    @property
    def mean_accuracy(self) -> float:
        """Mean over the classes that are in the labels of the share of their pixels that is right."""
        return _mean(self.per_class_accuracy())

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """All scores as JSON has them, those of the K `classes` by name; None where there are no pixels."""
        return {
            "miou": _known(self.miou),
            "pixel_accuracy": _known(self.pixel_accuracy),
            "mean_accuracy": _known(self.mean_accuracy),
            "iou": dict(zip(classes, map(_known, self.per_class_iou().tolist()), strict=True)),
            "accuracy": dict(zip(classes, map(_known, self.per_class_accuracy().tolist()), strict=True)),
        }

    def per_class_iou(self) -> Tensor:
        """(K,) float64 on the CPU: pixels that truth and prediction share over those of either; NaN without any."""
        table = self.confusion
        shared = table.diagonal()
        return shared.double() / (table.sum(0) + table.sum(1) - shared)

    def per_class_accuracy(self) -> Tensor:
        """(K,) float64 on the CPU: share of the pixels of each class that is right, NaN for classes without pixels."""
        table = self.confusion
        return table.diagonal().double() / table.sum(1)


def _mean(values: Tensor) -> float:
    """The mean of those that are numbers, NaN of none; summed without rounding, so that no order changes a digit."""
    known = [value for value in values.tolist() if value == value]
    return math.fsum(known) / len(known) if known else math.nan


def _known(value: float) -> float | None:
    return None if value != value else value
