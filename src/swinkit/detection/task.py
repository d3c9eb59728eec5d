"""Object detection as the loop sees it.

Shapes: B images, h w image, N objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from swinkit.detection.data.augmentation import DetectionEvaluation, DetectionResize
from swinkit.detection.data.samples import DetectionData
from swinkit.detection.model import RCNN
from swinkit.detection.scores import DetectionResults, DetectionScores
from swinkit.ops.normalization import normalised_batch
from swinkit.structures import Detections, Instances
from swinkit.training.data.loading import load_batches, one_by_one
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.processes import Processes
from swinkit.training.task import Task
from swinkit.weights.save import save_weights


class DetectionTask(Task):
    """A detector with its losses and its validation images.

    Args:
        model: the detector.
        evaluation: the validation images.
        description: what a saved model says about itself besides its results: plain data.
    """

    best_metric = "val/box_ap"
    model_methods = ("losses", "postprocess")
    model: RCNN

    def __init__(self, model: RCNN, *, evaluation: DetectionEvaluationImages, description: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = model
        self.evaluation = evaluation
        self.description = dict(description)

    def forward(self, batch: tuple[list[Tensor], list[Instances]]) -> dict[str, Tensor]:
        """Images (3, h, w) of values 0..255 with their objects, to the detector's losses."""
        images, targets = batch
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        return self.model.losses(self.model(normalised_batch(images), sizes), targets)

    def evaluate(self) -> dict[str, float]:
        return result_values(self.evaluation.results(self.model))

    def save_model(self, path: Path, state: Mapping[str, Tensor], results: Mapping[str, float]) -> None:
        description = self.description | {"results": dict(results)}
        save_weights(path, state, {"format": "swinkit", "description": json.dumps(description)})

    def blocks(self) -> list[nn.Module]:
        stages = getattr(self.model.backbone, "stages", [])
        return [block for stage in stages for block in stage.blocks]


class DetectionEvaluationImages:
    """Images with objects to measure a detector on, one at a time, shared out over the processes."""

    def __init__(self, data: DetectionData, resize: DetectionResize, *, workers: int, processes: Processes) -> None:
        self.data = data
        self.resize = resize
        self.workers = workers
        self.processes = processes

    def results(self, model: RCNN) -> DetectionResults:
        """COCO's numbers of `model`, in evaluation mode, over all images and all processes."""
        scores = DetectionScores(self.data.coco(), has_masks=model.has_masks)
        for index, found in self.detections(model):
            scores.update(self.data.image_ids[index], found)
        for part in self.processes.gather(scores.to_bytes()):
            scores.add_bytes(part)
        return scores.results()

    @torch.no_grad()
    def detections(self, model: RCNN) -> Iterator[tuple[int, Detections]]:
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
            found = detect_in(model, image, self.data.sizes[shown[number]])
            if number < len(mine):
                yield mine[number], found


@torch.no_grad()
def detect_in(model: RCNN, image: Tensor, size: tuple[int, int]) -> Detections:
    """The objects of one image, on the CPU.

    Args:
        model: in evaluation mode.
        image: as the model sees it, (3, h, w) of values 0..255 on the model's device.
        size: height and width of the original, which the boxes will refer to.
    """
    outputs = model(normalised_batch([image]), [(image.shape[1], image.shape[2])])
    (found,) = model.postprocess(outputs, [size])
    masks = None if found.masks is None else found.masks.cpu()
    return Detections(found.boxes.cpu(), found.scores.cpu(), found.labels.cpu(), masks, found.size)


def result_values(results: DetectionResults) -> dict[str, float]:
    """The numbers that a run logs, 0..1; of no objects NaN."""
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
