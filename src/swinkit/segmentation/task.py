"""Semantic segmentation as the loop sees it.

Shapes: B images, H W image, K classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from swinkit.segmentation.data.augmentation import SegmentationEvaluation
from swinkit.segmentation.data.samples import SegmentationData
from swinkit.segmentation.inference import InferenceSettings, predict_classes
from swinkit.segmentation.model import UperNet
from swinkit.segmentation.scores import SegmentationScores
from swinkit.training.data.loading import load_batches, one_by_one
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.processes import Processes
from swinkit.training.task import Task
from swinkit.weights.save import save_weights


class SegmentationTask(Task):
    """An UperNet with its losses and its validation images.

    Args:
        model: the segmentor.
        evaluation: the validation images.
        description: what a saved model says about itself besides its results: plain data.
        auxiliary_weight: what the auxiliary head's loss is multiplied with.
        class_weights: (K,), see `segmentation_cross_entropy`.
    """

    best_metric = "val/miou"
    model_methods = ("head_logits",)
    model: UperNet

    def __init__(
        self,
        model: UperNet,
        *,
        evaluation: SegmentationEvaluationImages,
        description: Mapping[str, Any],
        auxiliary_weight: float = 0.4,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.evaluation = evaluation
        self.description = dict(description)
        self.auxiliary_weight = auxiliary_weight
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Normalised images (B, 3, H, W) and labels (B, H, W) to the losses of both heads."""
        images, labels = batch
        weights = self.class_weights
        assert weights is None or isinstance(weights, Tensor)
        return self.model.losses(
            self.model(images), labels, class_weights=weights, auxiliary_weight=self.auxiliary_weight
        )

    def evaluate(self) -> dict[str, float]:
        scores = self.evaluation.scores(self.model)
        return {
            "val/miou": scores.miou,
            "val/pixel_accuracy": scores.pixel_accuracy,
            "val/mean_accuracy": scores.mean_accuracy,
        }

    def save_model(self, path: Path, state: Mapping[str, Tensor], results: Mapping[str, float]) -> None:
        description = self.description | {"results": dict(results)}
        save_weights(path, state, {"format": "swinkit", "description": json.dumps(description)})

    def blocks(self) -> list[nn.Module]:
        stages = getattr(self.model.backbone, "stages", [])
        return [block for stage in stages for block in stage.blocks]


class SegmentationEvaluationImages:
    """Images with labels to measure a segmentor on, one at a time at their own size, shared out over the processes."""

    def __init__(
        self, data: SegmentationData, inference: InferenceSettings, *, workers: int, processes: Processes
    ) -> None:
        self.data = data
        self.inference = inference
        self.workers = workers
        self.processes = processes

    def scores(self, model: UperNet) -> SegmentationScores:
        """The scores of `model`, in evaluation mode, over all images and all processes."""
        scores = SegmentationScores(model.num_classes, device=self.processes.device)
        for classes, labels in self.predictions(model):
            scores.update(classes, labels)
        return SegmentationScores.from_counts(self.processes.sum(scores.counts()), num_classes=model.num_classes)

    def predictions(self, model: UperNet) -> Iterator[tuple[Tensor, Tensor]]:
        """Predicted and true classes (H, W) of this process's images, in order.

        Processes that share a model (FSDP) must run it equally often, so those that have an image less than others
        show their last one once more, and leave it out.
        """
        count = self.processes.count
        mine = list(range(self.processes.rank, len(self.data), count))
        idle = -(-len(self.data) // count) - len(mine)
        shown = mine + (mine or [0])[-1:] * idle
        view = SeededSamples(self.data, SegmentationEvaluation(), seed=0)
        batches = load_batches(view, [[(0, index)] for index in shown], workers=self.workers, collate=one_by_one)
        for number, batch in enumerate(batches):
            image, labels = batch[0]
            classes = predict_classes(model, image.to(self.processes.device), self.inference)
            if number < len(mine):
                yield classes, labels.to(classes.device)
