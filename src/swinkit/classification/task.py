"""Image classification as the loop sees it.

Shapes: B images, C channels, H W image, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swinkit.classification.data.mixing import Mixing, mix
from swinkit.classification.data.preprocessing import EvalPreprocessing, eval_transform
from swinkit.classification.data.samples import ClassificationData
from swinkit.classification.evaluation import draw_run
from swinkit.classification.losses import soft_target_cross_entropy
from swinkit.classification.model import SwinClassifier
from swinkit.classification.predictor import Classifier
from swinkit.classification.scores import ClassificationScores
from swinkit.training.data.loading import load_batches
from swinkit.training.data.sampling import EvalSampler
from swinkit.training.data.seeding import SeededView
from swinkit.training.processes import Processes
from swinkit.training.run_folder import RunFolder
from swinkit.training.task import Task, TrainingBatches
from swinkit.weights.model_file import read_model_file


class ClassificationTask(Task):
    """A classifier with its loss and its validation images.

    Args:
        model: the classifier.
        mixing: Mixup, CutMix and label smoothing of the training batches.
        validation: the validation images.
        batches, images, description: see `Task`.
    """

    best_metric = "val/top1"
    pictures = ("curves", "confusion", "predictions", "sample")
    model: SwinClassifier

    def __init__(
        self,
        model: SwinClassifier,
        *,
        mixing: Mixing,
        validation: ValidationImages,
        batches: TrainingBatches,
        images: tuple[int, int],
        description: Mapping[str, Any],
    ) -> None:
        super().__init__(model, batches=batches, images=images, description=description)
        self.mixing = mixing
        self.validation = validation
        self.normalise = validation.preprocessing.normalisation()

    def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Normalised images (B, C, H, W) and labels (B,) to the soft-target cross entropy of their mixture."""
        # The loop has seeded the global generator for this step, so the mixture depends on the step alone.
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        images, targets = mix(*batch, num_classes=self.model.num_classes, mixing=self.mixing, generator=generator)
        return {"loss": soft_target_cross_entropy(self.model(images), targets)}

    def evaluate(self) -> dict[str, float]:
        scores = self.validation.scores(lambda images: self.model(self.normalise(images)))
        return {"val/loss": scores.loss, "val/top1": scores.top1, "val/top5": scores.top5}

    def draw(self, run: RunFolder) -> tuple[Path, ...]:
        device, workers = self.validation.processes.device, self.validation.workers
        classifier = Classifier.from_file(read_model_file(run.best_model), device=device)
        return draw_run(run, classifier, self.validation.data, workers=workers)


class ValidationImages:
    """Labelled images to measure a classifier on, shared out over the processes; `batch_size` is per process."""

    def __init__(
        self,
        data: ClassificationData,
        preprocessing: EvalPreprocessing,
        *,
        batch_size: int,
        workers: int,
        processes: Processes,
    ) -> None:
        self.data = data
        self.preprocessing = preprocessing
        self.workers = workers
        self.processes = processes
        self.sampler = EvalSampler(len(data), batch_size=batch_size, rank=processes.rank, world_size=processes.count)

    def scores(self, classify: Callable[[Tensor], Tensor]) -> ClassificationScores:
        """The scores over all images and all processes.

        Args:
            classify: images (B, 3, H, W), 0..255, on the process's device, to logits (B, K).
        """
        device, num_classes = self.processes.device, len(self.data.classes)
        scores = ClassificationScores(num_classes, device=device)
        view = SeededView(self.data, eval_transform(self.preprocessing), seed=0)  # nothing is drawn in an evaluation
        for images, labels in load_batches(view, self.sampler.batches(), workers=self.workers):
            scores.update(classify(images.to(device)), labels.to(device))
        return ClassificationScores.from_counts(self.processes.sum(scores.counts()), num_classes=num_classes)
