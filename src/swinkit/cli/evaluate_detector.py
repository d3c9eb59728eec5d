"""swinkit evaluate CHECKPOINT, of a detector"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from swinkit.cli.console import result_console
from swinkit.cli.image_paths import run_name
from swinkit.cli.predict_objects import SoftNMS, softened
from swinkit.cli.task_options import EvaluateOptions, RecipeFacts, list_files
from swinkit.detection.data.coco import CocoData
from swinkit.detection.data.samples import DetectionData
from swinkit.detection.data.scenes import open_detection_scenes
from swinkit.detection.data.sources import open_detection_evaluation
from swinkit.detection.evaluation import draw_results
from swinkit.detection.predictor import Detector
from swinkit.detection.scores import DetectionResults, results_table
from swinkit.detection.submission import write_submission
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.serialization import from_plain
from swinkit.training.progress import progress_bar


@dataclass(frozen=True)
class EvaluateDetectorOptions(EvaluateOptions):
    images: Path | None = None
    """Folder of the images, where they do not lie in one of the usual places beside the json."""
    max_detections: int | None = None
    """Detections of an image that count, the best first. Default: 100, as COCO counts, or as many as the detector gives
    where it was told to give more."""
    soft_nms: SoftNMS = None
    """Lower the score of a box that overlaps a better one of its class, instead of leaving it out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_detections is not None and self.max_detections < 1:
            raise InputError(f"--max-detections must be at least 1, not {self.max_detections}")


def evaluate_detector(detector: Detector, options: EvaluateDetectorOptions) -> dict[str, float] | None:
    """COCO's average precision of a detector, of boxes and masks, on images with ground truth; of a json without
    annotations, such as COCO's test-dev, the files for COCO's server."""
    detector = softened(detector, options.soft_nms)
    data = _data(options, detector)
    if isinstance(data, CocoData) and not data.table.is_annotated:
        _submit(detector, data, options)
        return None
    results, written = draw_results(
        detector,
        data,
        options.folder,
        workers=options.workers,
        views=options.views,
        max_detections=options.max_detections,
        step=progress_bar(len(data), "evaluating"),
    )
    if options.json:
        print(json.dumps(_plain(results, written)))
        return {}
    print(f"{results.images} images, {results.detections} detections")
    for line in coverage_lines(results):
        print(line)
    _print_numbers("boxes", results.boxes)
    if results.masks is not None:
        _print_numbers("masks", results.masks)
    print(f"recall of boxes at IoU 0.5, whatever the class: {100 * results.recall50:.2f} %")
    result_console().print(_class_table(results))
    list_files(written)
    kinds = {"box AP": results.boxes} | ({} if results.masks is None else {"mask AP": results.masks})
    return {name: numbers.ap for name, numbers in kinds.items()}


def _submit(detector: Detector, data: CocoData, options: EvaluateDetectorOptions) -> None:
    """Write what COCO's servers take, and say that there is no score."""
    written = write_submission(
        detector,
        data,
        options.folder,
        name=run_name(options.checkpoint),
        views=options.views,
        workers=options.workers,
        step=progress_bar(len(data), "detecting"),
    )
    if options.json:
        plain = {"images": written.images, "detections": written.detections, "boxes": None, "masks": None}
        print(json.dumps(plain | {"files": [str(path) for path in written.files]}))
        return
    print(f"{written.images} images, {written.detections} detections")
    print(f"no score: {data.table.path} has no annotations. COCO's server gives one for the zip of each folder:")
    list_files(written.files)


def _data(options: EvaluateDetectorOptions, detector: Detector) -> DetectionData:
    """The images with objects that are meant."""
    recipe = RecipeFacts.of(detector.description, options.checkpoint)
    if options.data is None and recipe.dataset == "digit_scenes":
        return open_detection_scenes(
            from_plain(SceneSettings, recipe.scenes, where="the scenes of the recipe in the model's file")
        )[1]
    source = options.data or recipe.training_data("images with objects")
    return open_detection_evaluation(
        source,
        classes=detector.classes,
        image_root=options.images or recipe.training_images,
        masks=None if detector.model.has_masks else False,
        validation_fraction=recipe.validation_fraction,
        whole=options.part == "all",
    )


def coverage_lines(results: DetectionResults) -> Iterator[str]:
    """What the means leave out."""
    measured, known = results.coverage
    if measured < known:
        yield f"means are over {measured} of {known} classes: the others have no object here"
    if results.dense_images:
        yield (
            f"{results.dense_images} images have more than {results.max_detections} objects, and as many detections "
            f"count in an image: at most {results.reachable:.2f} of all objects can be found; raise "
            "--max-detections, and let the detector give more"
        )


def _print_numbers(kind: str, numbers: Any) -> None:
    text = ", ".join(f"{name} {'-' if value < 0 else f'{100 * value:.2f}'}" for name, value in asdict(numbers).items())
    print(f"{kind} (percent): {text}")


def _plain(results: DetectionResults, written: Sequence[Path]) -> dict[str, Any]:
    """As JSON has it: numbers of no objects, which pycocotools gives as -1, are null."""

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: known(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [known(each) for each in value]
        return None if isinstance(value, float) and (value < 0 or value != value) else value

    return known(asdict(results)) | {"files": [str(path) for path in written]}


def _class_table(results: DetectionResults) -> Table:
    columns = [f"{kind} {name}" for kind in ("box", "mask")[: 1 + (results.masks is not None)] for name in _NAMES]
    table = Table("class, percent", *columns, box=None)
    for name, values in results_table(results):
        table.add_row(name, *("no objects" if value != value else f"{100 * value:.2f}" for value in values))
    return table


_NAMES = ("AP", "AP50", "AP75")
