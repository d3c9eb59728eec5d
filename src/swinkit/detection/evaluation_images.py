"""Validation images, shown to a detector one at a time, over all processes.

Shapes: h w image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from swinkit.detection.coco_numbers import COCO_LIMIT
from swinkit.detection.data.augmentation import DetectionEvaluation, DetectionResize, as_it_is
from swinkit.detection.data.samples import DetectionData
from swinkit.detection.detector import DetectorModel
from swinkit.detection.scores import DetectionResults, DetectionScores
from swinkit.detection.views import ImageViews
from swinkit.layers.pixels import pad_batch
from swinkit.structures import ONE_VIEW, Detections, Views
from swinkit.training.data.loading import load_batches, one_by_one
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.processes import Processes


class EvaluationImages:
    """Images with ground truth to measure a detector on, one at a time, shared out over the processes; `views` is in
    how many ways each is shown."""

    def __init__(
        self,
        data: DetectionData,
        resize: DetectionResize,
        *,
        workers: int,
        processes: Processes,
        views: Views = ONE_VIEW,
        max_detections: int | None = None,
    ) -> None:
        """`max_detections`: how many count in an image; None is `counted_detections` of the model."""
        self.max_detections = max_detections
        self.data = data
        self.resize = resize
        self.views = views
        self.workers = workers
        self.processes = processes

    def results(self, model: DetectorModel, step: Callable[[int], object] = lambda done: None) -> DetectionResults:
        """COCO's numbers of `model`, in evaluation mode, over all images and all processes; `step` is called with how
        many of this process's images are done."""
        scores = self.scores(model)
        with self.processes.own_share():
            for done, (index, found) in enumerate(self.detections(model), start=1):
                step(done)
                scores.update(self.data.image_ids[index], found)
        for part in self.processes.gather(scores.to_bytes()):
            scores.add_bytes(part)
        return scores.results()

    def scores(self, model: DetectorModel) -> DetectionScores:
        """What collects the detections of `model`, still empty."""
        limit = self.max_detections or counted_detections(model)
        has_masks = model.has_masks and self.data.has_masks
        return DetectionScores(self.data.coco(), has_masks=has_masks, max_detections=limit)

    def detections(self, model: DetectorModel) -> Iterator[tuple[int, Detections]]:
        """The number and the detections of each of this process's images, on the CPU.

        Processes that share a model (FSDP) must run it equally often, so those that have an image less than others
        show their last one once more, and leave it out.
        """
        count, device = self.processes.count, self.processes.device
        mine = list(range(self.processes.rank, len(self.data), count))
        idle = -(-len(self.data) // count) - len(mine)
        shown = mine + (mine or [0])[-1:] * idle
        transform = DetectionEvaluation(self.resize) if self.views == ONE_VIEW else as_it_is
        view = SeededSamples(self.data, transform, seed=0)
        batches = load_batches(view, [[(0, index)] for index in shown], workers=self.workers, collate=one_by_one)
        for number, batch in enumerate(batches):
            image = batch[0][0]
            if self.views == ONE_VIEW:
                (found,) = detect_in(model, [image.to(device)], [self.data.sizes[shown[number]]])
            else:
                found = detect_in_views(model, image, self.resize, self.views, device=device)
            if number < len(mine):
                yield mine[number], found


def counted_detections(model: DetectorModel) -> int:
    """As many as COCO counts, or where the detector was told to give more, as many as it gives."""
    return max(COCO_LIMIT, getattr(model.config, "detections", COCO_LIMIT))


@torch.no_grad()
def detect_in(model: DetectorModel, images: list[Tensor], sizes: list[tuple[int, int]]) -> list[Detections]:
    """The detections of a batch, on the CPU.

    Args:
        model: in evaluation mode.
        images: as the model sees them, (3, h, w) of values 0..255 on the model's device.
        sizes: height and width of the originals, which the boxes will refer to.
    """
    return [found.cpu() for found in model.postprocess(model(*pad_batch(images)), sizes)]


@torch.no_grad()
def detect_in_views(
    model: DetectorModel, image: Tensor, resize: DetectionResize, views: Views, *, device: torch.device
) -> Detections:
    """The detections of one image that is shown in several ways, on the CPU.

    Args:
        model: in evaluation mode, on `device`.
        image: the original, (3, H, W) uint8.
        resize: how it is shown otherwise.
        views: how it is shown.
        device: where the views go.
    """
    own = (resize.shorter_side, resize.longest_side)
    size = (image.shape[1], image.shape[2])
    return model.detect_views(ImageViews(image, views, own, device), size).cpu()
