"""Object detection as the loop sees it.

Shapes: B images, H W padded batch, N instances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from swinkit.detection.data.samples import DetectionBatch, DetectionData
from swinkit.detection.detector import DetectorModel
from swinkit.detection.evaluation import draw_pictures
from swinkit.detection.evaluation_images import EvaluationImages
from swinkit.detection.predictor import Detector
from swinkit.detection.scores import DetectionResults
from swinkit.training.run_folder import RunFolder
from swinkit.training.task import Task, TrainingBatches
from swinkit.weights.model_file import read_model_file


class DetectionTask(Task):
    """A detector with its losses, its training batches and its validation images.

    Args:
        model: the detector.
        batches: what it is trained on.
        data: training and validation images.
        evaluation: shows the validation images.
        description: see `Task`.
    """

    best_metric = "val/box_ap"
    best_shown = "box AP"
    fit_metrics = MappingProxyType({"val/box_ap50": "box AP50", "val/mask_ap50": "mask AP50"})
    pictures = ("curves", "predictions", "data", "sample")
    model: DetectorModel

    def __init__(
        self,
        model: DetectorModel,
        *,
        batches: TrainingBatches,
        data: tuple[DetectionData, DetectionData],
        evaluation: EvaluationImages,
        description: Mapping[str, Any],
    ) -> None:
        super().__init__(model, batches=batches, images=(len(data[0]), len(data[1])), description=description)
        self.data = data
        self.evaluation = evaluation

    def forward(self, batch: DetectionBatch) -> dict[str, Tensor]:
        """Padded images (B, 3, H, W) of values 0..255, their sizes and ground truth, to the detector's losses."""
        images, sizes, targets = batch
        return self.model.losses(self.model(images, sizes, targets), targets)

    def evaluate(self, step: Callable[[int], object] = lambda done: None) -> dict[str, float]:
        results = self.evaluation.results(self.model, step)
        self.coverage = results.coverage
        return result_values(results)

    def draw(self, run: RunFolder, step: Callable[[int], object] = lambda done: None) -> tuple[Path, ...]:
        kinds = {self.description["architecture"]: type(self.model.config)}
        device = self.evaluation.processes.device
        best = Detector.from_file(read_model_file(run.best_model), device=device, architectures=kinds)
        return draw_pictures(run, self.data, best, workers=self.evaluation.workers, step=step)


def result_values(results: DetectionResults) -> dict[str, float]:
    """The numbers that a run logs, 0..1; NaN where there is nothing to find."""
    values = {
        "val/box_ap": results.boxes.ap,
        "val/box_ap50": results.boxes.ap50,
        "val/box_ap75": results.boxes.ap75,
        "val/box_recall50": results.recall50,
    }
    if results.masks is not None:
        masks = results.masks
        values |= {"val/mask_ap": masks.ap, "val/mask_ap50": masks.ap50, "val/mask_ap75": masks.ap75}
    return {name: float("nan") if value < 0 else value for name, value in values.items()}
