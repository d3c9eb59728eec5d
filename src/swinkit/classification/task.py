"""Image classification as the loop sees it.

Shapes: B images, C channels, H W image, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from swinkit.classification.data.mixing import Mixing, mix
from swinkit.classification.evaluation import draw_pictures
from swinkit.classification.evaluation_images import EvaluationImages
from swinkit.classification.losses import soft_target_cross_entropy
from swinkit.classification.model import SwinClassifier
from swinkit.classification.predictor import Classifier
from swinkit.classification.scores import TOP5_CLASSES
from swinkit.training.run_folder import RunFolder
from swinkit.training.task import Task, TrainingBatches
from swinkit.weights.model_file import read_model_file


class ClassificationTask(Task):
    """A classifier with its loss and its validation images.

    Args:
        model: the classifier.
        mixing: Mixup, CutMix and label smoothing of the training batches.
        evaluation: the validation images.
        class_weights: (K,), see `soft_target_cross_entropy`.
        batches, images, description: see `Task`.
    """

    best_metric = "val/top1"
    best_shown = "top-1"
    fit_metrics = MappingProxyType({"val/top1": "top-1"})
    pictures = ("curves", "confusion", "predictions", "sample")
    model: SwinClassifier
    class_weights: Tensor | None

    def __init__(
        self,
        model: SwinClassifier,
        *,
        mixing: Mixing,
        evaluation: EvaluationImages,
        batches: TrainingBatches,
        images: tuple[int, int],
        description: Mapping[str, Any],
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__(model, batches=batches, images=images, description=description)
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.mixing = mixing
        self.evaluation = evaluation
        self.normalise = evaluation.preprocessing.normalisation()

    def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Normalised images (B, C, H, W) and labels (B,) to the soft-target cross entropy of their mixture; or with
        targets (B, K) in place of labels, of images that are mixed already, to theirs."""
        images, targets = batch
        if targets.ndim == 1:
            # The loop has seeded the global generator for this step, so the mixture depends on the step alone.
            generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
            classes = self.model.num_classes
            images, targets = mix(images, targets, num_classes=classes, mixing=self.mixing, generator=generator)
        return {"loss": soft_target_cross_entropy(self.model(images), targets, class_weights=self.class_weights)}

    def evaluate(self, step: Callable[[int], object] = lambda done: None) -> dict[str, float]:
        scores = self.evaluation.scores(lambda images: self.model(self.normalise(images)), step)
        self.coverage = (scores.classes_measured, scores.num_classes)
        top5 = {"val/top5": scores.top5} if scores.num_classes >= TOP5_CLASSES else {}
        return {"val/loss": scores.loss, "val/top1": scores.top1} | top5

    def draw(self, run: RunFolder, step: Callable[[int], object] = lambda done: None) -> tuple[Path, ...]:
        device, workers = self.evaluation.processes.device, self.evaluation.workers
        classifier = Classifier.from_file(read_model_file(run.best_model), device=device)
        return draw_pictures(run, classifier, self.evaluation.data, workers=workers, step=step)
