"""Image classification as the loop sees it.

Shapes: B images, C channels, H W image, K classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from swinkit.classification.data.mixing import Mixing, mix
from swinkit.classification.losses import soft_target_cross_entropy
from swinkit.classification.model import SwinClassifier
from swinkit.classification.scores import ClassificationScores
from swinkit.training.data.loading import load_batches
from swinkit.training.data.sampling import EvalSampler
from swinkit.training.data.seeding import SeededView
from swinkit.training.processes import Processes
from swinkit.training.task import Task
from swinkit.weights.save import save_weights


class ClassificationTask(Task):
    """A classifier with its loss and its validation images.

    Args:
        model: the classifier.
        mixing: Mixup, CutMix and label smoothing of the training batches.
        evaluation: the validation images.
        description: what a saved model says about itself besides its results: plain data.
    """

    best_metric = "val/top1"
    model: SwinClassifier

    def __init__(
        self,
        model: SwinClassifier,
        *,
        mixing: Mixing,
        evaluation: EvaluationBatches,
        description: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.model = model
        self.mixing = mixing
        self.evaluation = evaluation
        self.description = dict(description)

    def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Images (B, C, H, W) and labels (B,) to the soft-target cross entropy of their mixture."""
        # The loop has seeded the global generator for this step, so the mixture depends on the step alone.
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        images, targets = mix(*batch, num_classes=self.model.num_classes, mixing=self.mixing, generator=generator)
        return {"loss": soft_target_cross_entropy(self.model(images), targets)}

    def evaluate(self) -> dict[str, float]:
        scores = self.evaluation.scores(self.model)
        return {"val/loss": scores.loss, "val/top1": scores.top1, "val/top5": scores.top5}

    def save_model(self, path: Path, state: Mapping[str, Tensor], results: Mapping[str, float]) -> None:
        description = self.description | {"results": dict(results)}
        save_weights(path, state, {"format": "swinkit", "description": json.dumps(description)})

    def blocks(self) -> list[nn.Module]:
        return [block for stage in self.model.stages for block in stage.blocks]


class EvaluationBatches:
    """Labelled images to measure a classifier on, shared out over the processes.

    `batch_size` is per process. `num_classes` is K.
    """

    def __init__(
        self, view: SeededView, *, num_classes: int, batch_size: int, workers: int, processes: Processes
    ) -> None:
        self.view = view
        self.num_classes = num_classes
        self.workers = workers
        self.processes = processes
        self.sampler = EvalSampler(len(view), batch_size=batch_size, rank=processes.rank, world_size=processes.count)

    def scores(self, model: nn.Module) -> ClassificationScores:
        """The scores of `model` over all images and all processes; `model` must be in evaluation mode."""
        device = self.processes.device
        scores = ClassificationScores(self.num_classes, device=device)
        for images, labels in load_batches(self.view, self.sampler.batches(), workers=self.workers):
            scores.update(model(images.to(device)), labels.to(device))
        return ClassificationScores.from_counts(self.processes.sum(scores.counts()), num_classes=self.num_classes)
