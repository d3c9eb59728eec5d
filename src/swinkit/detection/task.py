"""Object detection as the loop sees it.

Shapes: B images, H W padded batch, N instances.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swinkit.detection.data.augmentation import DetectionEvaluation, DetectionResize
from swinkit.detection.data.samples import DetectionBatch, DetectionData
from swinkit.detection.detector import DetectorModel
from swinkit.detection.scores import DetectionResults, DetectionScores
from swinkit.layers.pixels import pad_batch
from swinkit.structures import Detections
from swinkit.training.data.loading import load_batches, one_by_one
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.processes import Processes
from swinkit.training.run_folder import RunFolder
from swinkit.training.task import Task, TrainingBatches


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

    def evaluate(self) -> dict[str, float]:
        return result_values(self.evaluation.results(self.model))

    def draw(self, run: RunFolder) -> tuple[Path, ...]:
        from swinkit.detection.evaluation import draw_pictures  # it draws with matplotlib, which is slow to import

        evaluation = self.evaluation
        return draw_pictures(run, self.data, device=evaluation.processes.device, workers=evaluation.workers)


class EvaluationImages:
    """Images with ground truth to measure a detector on, one at a time, shared out over the processes."""

    def __init__(self, data: DetectionData, resize: DetectionResize, *, workers: int, processes: Processes) -> None:
        self.data = data
        self.resize = resize
        self.workers = workers
        self.processes = processes

    def results(self, model: DetectorModel) -> DetectionResults:
        """COCO's numbers of `model`, in evaluation mode, over all images and all processes."""
        scores = DetectionScores(self.data.coco(), has_masks=model.has_masks)
        for index, found in self.detections(model):
            scores.update(self.data.image_ids[index], found)
        for part in self.processes.gather(scores.to_bytes()):
            scores.add_bytes(part)
        return scores.results()

    def detections(self, model: DetectorModel) -> Iterator[tuple[int, Detections]]:
        """The number and the detections of each of this process's images, on the CPU.

        Processes that share a model (FSDP) must run it equally often, so those that have an image less than others
        show their last one once more, and leave it out.
        """
        count, device = self.processes.count, self.processes.device
        mine = list(range(self.processes.rank, len(self.data), count))
        idle = -(-len(self.data) // count) - len(mine)
        shown = mine + (mine or [0])[-1:] * idle
        view = SeededSamples(self.data, DetectionEvaluation(self.resize), seed=0)
        batches = load_batches(view, [[(0, index)] for index in shown], workers=self.workers, collate=one_by_one)
        for number, batch in enumerate(batches):
            image = batch[0][0].to(device)
            (found,) = detect_in(model, [image], [self.data.sizes[shown[number]]])
            if number < len(mine):
                yield mine[number], found


@torch.no_grad()
def detect_in(model: DetectorModel, images: list[Tensor], sizes: list[tuple[int, int]]) -> list[Detections]:
    """The detections of a batch, on the CPU.

    Args:
        model: in evaluation mode.
        images: as the model sees them, (3, h, w) of values 0..255 on the model's device.
        sizes: height and width of the originals, which the boxes will refer to.
    """
    return [found.cpu() for found in model.postprocess(model(*pad_batch(images)), sizes)]


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
