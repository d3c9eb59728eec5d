"""The pictures of a finished segmentation run, and of an evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from swinkit.files import save_image
from swinkit.pictures.curves import plot_curves
from swinkit.segmentation.data.samples import SegmentationData
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.pictures import SegmentationSample, plot_class_iou, plot_segmentations
from swinkit.segmentation.predictor import Segmentor, open_segmentor
from swinkit.segmentation.scores import SegmentationScores
from swinkit.segmentation.task import SegmentationEvaluationImages
from swinkit.training.data.sampling import evenly_spread
from swinkit.training.processes import Processes
from swinkit.training.run_folder import RunFolder

PICTURES = ("curves", "class_iou", "predictions", "data", "sample")
SHOWN = 6
"""Images on a page."""


def draw_pictures(
    run: RunFolder,
    data: tuple[SegmentationData, SegmentationData],
    *,
    device: torch.device,
    workers: int = 0,
) -> tuple[Path, ...]:
    """Learning curves, a page of training data, and of the best model each class's IoU and a page of predictions, as
    PNG in the run's folder, and beside them the first validation image."""
    curves, page, sample = (run.root / f"{name}.png" for name in ("curves", "data", "sample"))
    plot_curves(run.metrics, curves)
    draw_data(data[0], page)
    segmentor = open_segmentor(run.best_model, device=device)
    _, drawn = draw_results(segmentor, data[1], run.root, workers=workers)
    save_image(data[1][0][0], sample)
    return (curves, *drawn, page, sample)


def draw_data(data: SegmentationData, out: Path, *, count: int = SHOWN) -> None:
    """A page of images with their masks."""
    samples = [_sample(data, index, None) for index in evenly_spread(len(data), count)]
    plot_segmentations(samples, data.classes, out)


def draw_results(
    segmentor: Segmentor,
    data: SegmentationData,
    folder: Path,
    *,
    inference: InferenceSettings | None = None,
    workers: int = 0,
) -> tuple[SegmentationScores, tuple[Path, ...]]:
    """The scores of `segmentor` on `data`, and the IoU of each class and a page of predictions as PNG in `folder`."""
    images = SegmentationEvaluationImages(
        data, inference or segmentor.inference, workers=workers, processes=Processes(0, 1, segmentor.device)
    )
    scores = SegmentationScores(len(segmentor.classes))
    shown = set(evenly_spread(len(data), SHOWN))
    kept: dict[int, np.ndarray] = {}
    for index, (classes, labels) in enumerate(images.predictions(segmentor.model)):
        scores.update(classes.cpu(), labels.cpu())
        if index in shown:
            kept[index] = classes.cpu().numpy()
    iou, page = folder / "class_iou.png", folder / "predictions.png"
    plot_class_iou(scores.per_class_iou().tolist(), segmentor.classes, iou)
    plot_segmentations([_sample(data, index, kept[index]) for index in sorted(kept)], segmentor.classes, page)
    return scores, (iou, page)


def _sample(data: SegmentationData, index: int, predicted: np.ndarray | None) -> SegmentationSample:
    image, truth = data[index]
    return SegmentationSample(image, truth, predicted, Path(data.sample_name(index)).name)
