"""The pictures of a finished detection run, and of an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from swinkit.detection.data.samples import DetectionData
from swinkit.detection.evaluation_images import EvaluationImages
from swinkit.detection.pictures.detections import DetectionSample, plot_detections
from swinkit.detection.predictor import Detector
from swinkit.detection.scores import DetectionResults
from swinkit.files import save_image
from swinkit.pictures.curves import plot_curves
from swinkit.structures import ONE_VIEW, Detections, Views
from swinkit.training.data.sampling import evenly_spread
from swinkit.training.processes import Processes
from swinkit.training.run_folder import RunFolder

SHOWN = 8
"""Images on a page."""


def draw_pictures(
    run: RunFolder,
    data: tuple[DetectionData, DetectionData],
    best: Detector,
    *,
    workers: int = 0,
    step: Callable[[int], object] = lambda done: None,
) -> tuple[Path, ...]:
    """Learning curves, a page of training data, and of the best model a page of detections, as PNG in the run's
    folder, and beside them the first validation image. `step` is called with how many validation images are done."""
    curves, page, sample = (run.root / f"{name}.png" for name in ("curves", "data", "sample"))
    plot_curves(run.metrics, curves)
    draw_data(data[0], page)
    _, drawn = draw_results(best, data[1], run.root, workers=workers, step=step)
    save_image(data[1][0][0], sample)
    return (curves, *drawn, page, sample)


def draw_data(data: DetectionData, out: Path, *, count: int = SHOWN) -> None:
    """A page of images with their objects."""
    samples = [_sample(data, index, None) for index in evenly_spread(len(data), count)]
    plot_detections(samples, data.classes, out)


def draw_results(
    detector: Detector,
    data: DetectionData,
    folder: Path,
    *,
    workers: int = 0,
    views: Views = ONE_VIEW,
    max_detections: int | None = None,
    step: Callable[[int], object] = lambda done: None,
) -> tuple[DetectionResults, tuple[Path, ...]]:
    """COCO's numbers of `detector` on `data`; in `folder`, a page of detections as PNG, and all of them as COCO results
    json. `views` is in how many ways each image is shown; `max_detections`: see `EvaluationImages`; `step`
    is called with how many images are done."""
    one = Processes(0, 1, detector.device)
    images = EvaluationImages(
        data, detector.preprocessing, workers=workers, processes=one, views=views, max_detections=max_detections
    )
    scores = images.scores(detector.model)
    shown = set(evenly_spread(len(data), SHOWN))
    kept: dict[int, Detections] = {}
    for done, (index, found) in enumerate(images.detections(detector.model), start=1):
        step(done)
        scores.update(data.image_ids[index], found)
        if index in shown:
            kept[index] = found
    page, boxes = folder / "predictions.png", folder / "boxes.json"
    samples = [_sample(data, index, kept[index]) for index in sorted(kept)]
    plot_detections(samples, data.classes, page, palette=detector.palette)
    scores.write_results(boxes)
    written = [page, boxes]
    if scores.has_masks:
        written.append(folder / "masks.json")
        scores.write_results(written[-1], kind="masks")
    return scores.results(), tuple(written)


def _sample(data: DetectionData, index: int, found: Detections | None) -> DetectionSample:
    image, truth = data[index]
    return DetectionSample(image, truth, found, Path(data.sample_name(index)).name)
