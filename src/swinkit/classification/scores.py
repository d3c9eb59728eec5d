"""Top-1, top-5, loss, confusion, precision, recall and F1 of a classifier, counted over batches and processes.

Shapes: B images, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.errors import InputError

TOP5_CLASSES = 11
"""From so many classes on a top-5 says something."""
CONFUSION_LIMIT = 1000
"""Up to this many classes the whole confusion matrix is kept (8 MB); with 21,841 it would be 3.8 GB."""


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 of each class, all (K,) float64 on the CPU, 0..1; NaN for classes without images.

    A class that has images and is never predicted has precision 0, as in scikit-learn (`zero_division=0`).
    """

    precision: Tensor
    """Share of the images predicted to be of the class that are."""
    recall: Tensor
    """Share of the class's images that are predicted to be."""
    f1: Tensor
    """The harmonic mean of the two."""

    def means(self) -> dict[str, float]:
        """ "precision", "recall" and "f1": each the mean over the classes that have images ("macro"), or NaN."""
        return {name: float(getattr(self, name).nanmean()) for name in ("precision", "recall", "f1")}


class ClassificationScores:
    """Counts right and wrong answers; all scores follow from the counts, so that counts of processes just add up.

        scores = ClassificationScores(num_classes)
        scores.update(logits, labels)                                   # for every batch
        counts = scores.counts()                                        # with several processes:
        torch.distributed.all_reduce(counts)
        scores = ClassificationScores.from_counts(counts, num_classes=num_classes)
        print(scores.top1, scores.top5, scores.loss)

    Scores of no images are NaN. An image that is shown twice (as a sampler that pads does) counts twice. Of logits
    that are not finite, the loss tells: it is not finite either.

    Args:
        num_classes: K.
        confusion_limit: with more classes than this only the right answers of each class are kept, not the confusion.
        device: where the counts lie; with NCCL it must be the process's GPU.

    Raises:
        InputError: where there is no class.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        confusion_limit: int = CONFUSION_LIMIT,
        device: torch.device | str = "cpu",
    ) -> None:
        if num_classes < 1:
            raise InputError(f"a classifier to be scored needs at least one class, not {num_classes}")
        self.num_classes = num_classes
        self._has_confusion = num_classes <= confusion_limit
        # Rows are the truth. Columns are the prediction or, without a confusion: wrong, right, wrongly predicted so.
        columns = num_classes if self._has_confusion else 3
        self._table = torch.zeros(num_classes, columns, dtype=torch.int64, device=device)
        self._top5_hits = torch.zeros((), dtype=torch.int64, device=device)
        self._loss_sum = torch.zeros((), dtype=torch.float64, device=device)

    @torch.no_grad()
    def update(self, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch.

        Args:
            logits: (B, K), any floating type; the loss is their cross entropy, computed in float32 or better.
            labels: (B,) int64, 0..K-1.

        Raises:
            InputError: where shapes or labels do not fit K.
        """
        self._check(logits, labels)
        device = self._table.device
        guesses = logits.topk(min(5, self.num_classes), dim=1).indices  # (B, 5), best first
        precise = logits if logits.dtype == torch.float64 else logits.float()
        losses = F.cross_entropy(precise, labels, reduction="none")
        hits = guesses == labels[:, None]  # (B, 5)
        column = guesses[:, 0] if self._has_confusion else hits[:, 0].long()
        cell = (labels * self._table.shape[1] + column).to(device)
        self._table.view(-1).index_add_(0, cell, torch.ones_like(cell))
        if not self._has_confusion:
            wrong = guesses[:, 0][~hits[:, 0]].to(device)
            self._table[:, 2].index_add_(0, wrong, torch.ones_like(wrong))
        self._top5_hits += hits.sum().to(device)
        self._loss_sum += losses.to(device, torch.float64).sum()

    def _check(self, logits: Tensor, labels: Tensor) -> None:
        if logits.ndim != 2 or logits.shape[1] != self.num_classes or labels.shape != logits.shape[:1]:
            raise InputError(
                f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} should be (B, {self.num_classes}) "
                "and (B,): is this the model of these classes?"
            )
        if ((labels < 0) | (labels >= self.num_classes)).any():
            raise InputError(
                f"labels run from {int(labels.min())} to {int(labels.max())}, but {self.num_classes} classes are "
                f"numbered 0 to {self.num_classes - 1}; check the class list"
            )

    def counts(self) -> Tensor:
        """All counts as one flat float64 tensor (exact up to 2**53 images), a new one, to be summed over processes."""
        scalars = torch.stack([self._loss_sum, self._top5_hits.double()])
        return torch.cat([scalars, self._table.double().flatten()])

    @classmethod
    def from_counts(cls, counts: Tensor, *, num_classes: int, confusion_limit: int = CONFUSION_LIMIT) -> Self:
        """The scores that `counts` tell, where `counts` is the sum of several `counts()`; on their device.

        Raises:
            InputError: where the size is that of other `num_classes` or another `confusion_limit`.
        """
        scores = cls(num_classes, confusion_limit=confusion_limit, device=counts.device)
        expected = 2 + scores._table.numel()
        if counts.shape != (expected,):
            raise InputError(
                f"counts of {num_classes} classes should have the shape ({expected},), not {tuple(counts.shape)}: "
                "give the num_classes and confusion_limit that they were made with"
            )
        scores._loss_sum = counts[0].clone()
        scores._top5_hits = counts[1].round().long()
        scores._table = counts[2:].round().long().view_as(scores._table)
        return scores

    @property
    def images(self) -> int:
        """How many images were counted."""
        return int(self._class_images().sum())

    @property
    def top1(self) -> float:
        """Share of the images whose class has the highest logit, 0..1."""
        return self._share(self._class_hits().sum())

    @property
    def top5(self) -> float:
        """Share of the images whose class is among the five highest logits, 0..1.

        With K < 5 classes this is top-K, hence always 1.
        """
        return self._share(self._top5_hits)

    @property
    def loss(self) -> float:
        """Mean cross entropy over the images, in nats, without label smoothing."""
        return float(self._loss_sum) / self.images if self.images else float("nan")

    @property
    def confusion(self) -> Tensor | None:
        """(K, K) int64 on the CPU, a copy: rows are the truth, columns the prediction. None over the class limit."""
        return self._table.cpu().clone() if self._has_confusion else None

    @property
    def classes_measured(self) -> int:
        """How many classes have images."""
        return int((self._class_images() > 0).sum())

    def class_images(self) -> Tensor:
        """(K,) int64 on the CPU: images of each class."""
        return self._class_images().cpu()

    def per_class(self) -> ClassScores:
        """Precision, recall and F1 of each class."""
        hits, images = self._class_hits().cpu().double(), self.class_images()
        predicted = self._table.sum(dim=0).cpu() if self._has_confusion else hits + self._table[:, 2].cpu()
        has_images = torch.where(images > 0, 1.0, float("nan")).double()
        precision = hits / predicted.clamp(min=1) * has_images
        return ClassScores(precision, hits / images, 2 * hits / (images + predicted) * has_images)

    def per_class_accuracy(self) -> Tensor:
        """(K,) float64 on the CPU: share of each class's images that are right, 0..1; NaN for classes without images.

        Their mean without the NaN is the balanced accuracy.
        """
        return self.per_class().recall

    def _class_images(self) -> Tensor:
        return (self._table if self._has_confusion else self._table[:, :2]).sum(dim=1)

    def _class_hits(self) -> Tensor:
        return self._table.diagonal() if self._has_confusion else self._table[:, 1]

    def _share(self, hits: Tensor) -> float:
        return int(hits) / self.images if self.images else float("nan")
