"""Semantic segmentation as the loop sees it.

Shapes: B images, H W crop, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from swinkit.segmentation.data.augmentation import SegmentationBatch
from swinkit.segmentation.data.samples import SegmentationData
from swinkit.segmentation.evaluation import PICTURES, EvaluationImages, draw_pictures
from swinkit.segmentation.model import UperNet
from swinkit.training.run_folder import RunFolder
from swinkit.training.task import Task, TrainingBatches


class SegmentationTask(Task):
    """An UperNet with its losses, its training batches and its validation images.

    Args:
        model: the segmentor.
        batches: `SegmentationBatch` each.
        train: the images that they are cut from, for a picture.
        validation: what scores are taken on.
        description: what a saved model says about itself besides its results: plain data.
        auxiliary_weight: what the auxiliary head's loss is multiplied with.
        class_weights, label_smoothing: see `segmentation_cross_entropy`.
    """

    best_metric = "val/miou"
    best_shown = "mIoU"
    fit_metrics = MappingProxyType({"val/miou": "mIoU"})
    pictures = PICTURES
    model: UperNet
    class_weights: Tensor | None

    def __init__(
        self,
        model: UperNet,
        *,
        batches: TrainingBatches,
        train: SegmentationData,
        validation: EvaluationImages,
        description: Mapping[str, Any],
        auxiliary_weight: float = 0.4,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        images = (len(train), len(validation.data))
        super().__init__(model, batches=batches, images=images, description=description)
        self.train_data = train
        self.validation = validation
        self.auxiliary_weight = auxiliary_weight
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, batch: SegmentationBatch) -> dict[str, Tensor]:
        """A batch to the losses of both heads."""
        return self.model.losses(
            self.model(batch.images, batch.sizes),
            batch.labels,
            class_weights=self.class_weights,
            label_smoothing=self.label_smoothing,
            auxiliary_weight=self.auxiliary_weight,
        )

    def evaluate(self, step: Callable[[int], object] = lambda done: None) -> dict[str, float]:
        scores = self.validation.scores(self.model, step)
        self.coverage = (scores.classes_measured, scores.num_classes)
        return {
            "val/miou": scores.miou,
            "val/pixel_accuracy": scores.pixel_accuracy,
            "val/mean_accuracy": scores.mean_accuracy,
        }

    def draw(self, run: RunFolder, step: Callable[[int], object] = lambda done: None) -> tuple[Path, ...]:
        return draw_pictures(run, self.train_data, self.validation, step)
