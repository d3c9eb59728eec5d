"""How good a segmentor is on images with masks, as numbers and as pictures.

Shapes: H W image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from swinkit.files import save_image
from swinkit.pictures.curves import plot_curves
from swinkit.segmentation.data.augmentation import SegmentationEvaluation
from swinkit.segmentation.data.samples import SegmentationData
from swinkit.segmentation.inference import InferenceSettings, predict_classes
from swinkit.segmentation.model import SegmentorModel
from swinkit.segmentation.pictures import SegmentationSample, plot_class_iou, plot_segmentations
from swinkit.segmentation.predictor import Segmentor
from swinkit.segmentation.scores import SegmentationScores
from swinkit.structures import ONE_VIEW, Views
from swinkit.training.data.loading import load_batches, one_by_one
from swinkit.training.data.sampling import evenly_spread
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.processes import Processes
from swinkit.training.run_folder import RunFolder
from swinkit.weights.model_file import read_model_file

PICTURES = ("curves", "class_iou", "predictions", "data", "sample")
"""What `draw_pictures` draws."""
SHOWN = 6
"""Images on a page."""


class EvaluationImages:
    """Images with masks to measure a segmentor on, one at a time at their own size, shared out over the processes."""

    def __init__(
        self,
        data: SegmentationData,
        inference: InferenceSettings,
        *,
        workers: int,
        processes: Processes,
        views: Views = ONE_VIEW,
    ) -> None:
        self.data = data
        self.views = views
        self.inference = inference
        self.workers = workers
        self.processes = processes

    def scores(self, model: SegmentorModel, step: Callable[[int], object] = lambda done: None) -> SegmentationScores:
        """The scores of `model`, in evaluation mode, over all images and all processes; `step` is called with how many
        of this process's images are done."""
        scores = SegmentationScores(model.num_classes, device=self.processes.device)
        with self.processes.own_share():
            for done, (classes, truth) in enumerate(self.predictions(model), start=1):
                scores.update(classes, truth)
                step(done)
        return SegmentationScores.from_counts(self.processes.sum(scores.counts()), num_classes=model.num_classes)

    def predictions(self, model: SegmentorModel) -> Iterator[tuple[Tensor, Tensor]]:
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
            image, truth = batch[0]
            classes = predict_classes(model, image[None].to(self.processes.device), self.inference, self.views)[0]
            if number < len(mine):
                yield classes, truth.to(classes.device)


def measure(
    segmentor: Segmentor,
    data: SegmentationData,
    *,
    settings: InferenceSettings | None = None,
    workers: int = 0,
    views: Views = ONE_VIEW,
    step: Callable[[int], object] = lambda done: None,
) -> tuple[SegmentationScores, list[SegmentationSample]]:
    """The scores of a segmentor on images with masks, and some of the images with what was predicted.

    Args:
        segmentor: what is measured.
        data: images, and masks whose values are its classes.
        settings: how images are shown; None is the segmentor's own way.
        workers: processes that load images; 0 loads them in this one.
        views: scales and mirroring, whose probabilities are averaged.
        step: called with how many images are done.
    """
    one = Processes(0, 1, segmentor.device)
    images = EvaluationImages(data, settings or segmentor.preprocessing, workers=workers, processes=one, views=views)
    scores = SegmentationScores(len(segmentor.classes))
    chosen = set(evenly_spread(len(data), SHOWN))
    samples = []
    for index, (classes, truth) in enumerate(images.predictions(segmentor.model)):
        scores.update(classes.cpu(), truth.cpu())
        step(index + 1)
        if index in chosen:
            samples.append(replace(_sample(data, index), predicted=classes.cpu().numpy()))
    return scores, samples


def draw_results(
    scores: SegmentationScores, samples: Sequence[SegmentationSample], segmentor: Segmentor, folder: Path
) -> tuple[Path, ...]:
    """What `measure` found of `segmentor` as PNG in `folder`: the IoU of each class, and a page of predictions."""
    iou, page = folder / "class_iou.png", folder / "predictions.png"
    plot_class_iou(scores.per_class_iou().tolist(), segmentor.classes, iou)
    plot_segmentations(samples, segmentor.classes, page, palette=segmentor.palette)
    return iou, page


def draw_data(data: SegmentationData, out: Path, *, count: int = SHOWN) -> None:
    """A page of images with their masks."""
    plot_segmentations([_sample(data, index) for index in evenly_spread(len(data), count)], data.classes, out)


def draw_pictures(
    run: RunFolder,
    train: SegmentationData,
    validation: EvaluationImages,
    step: Callable[[int], object] = lambda done: None,
) -> tuple[Path, ...]:
    """The `PICTURES` of a finished run, in its folder: learning curves, a page of training data, of the best model each
    class's IoU and a page of predictions, and beside them the first validation image. `step` is called with how many
    validation images are done."""
    curves, page, sample = (run.root / f"{name}.png" for name in ("curves", "data", "sample"))
    plot_curves(run.metrics, curves)
    draw_data(train, page)
    segmentor = Segmentor.from_file(read_model_file(run.best_model), device=validation.processes.device)
    scores, samples = measure(segmentor, validation.data, workers=validation.workers, step=step)
    drawn = draw_results(scores, samples, segmentor, run.root)
    save_image(validation.data[0][0], sample)
    return (curves, *drawn, page, sample)


def _sample(data: SegmentationData, index: int) -> SegmentationSample:
    image, truth = data[index]
    return SegmentationSample(image, truth, title=Path(data.sample_name(index)).name)
