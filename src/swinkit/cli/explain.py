"""swinkit explain CHECKPOINT IMAGE..."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import tyro
from PIL import Image

from swinkit.classification.predictor import Classifier
from swinkit.cli.by_task import TaskCommand, run_by_task
from swinkit.cli.task_options import ImageOptions, predict_each
from swinkit.detection.predictor import Detector
from swinkit.errors import InputError
from swinkit.explanation.activation import Method, check_method
from swinkit.explanation.attention import PlaceAttention
from swinkit.explanation.result import Explanation
from swinkit.segmentation.predictor import Segmentor


@dataclass(frozen=True)
class ExplainOptions(ImageOptions):
    classes: tuple[str, ...] = ()
    """Explain these classes alone, given by their names."""
    top: int = 5
    """Otherwise so many: the best detections, or the classes that fill most."""
    stage: int | None = None
    """Which stage of the backbone to look at, counted from 0, or from the end, -1. Default: the last whose map is four
    cells long, of a segmentor twenty, of detections the last in which the box is six cells long; with --place all."""
    method: Method = "hirescam"
    """How values and gradients become a map."""
    place: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="X Y")] = None
    """Show instead what this place of the images, in pixels, attends to in every block."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes with half the bits."""

    folder_name: ClassVar[str] = "explanations"


@dataclass(frozen=True)
class ExplainClassesOptions(ExplainOptions):
    top: int = 1
    """Otherwise so many, the most probable."""


@dataclass(frozen=True)
class ExplainObjectsOptions(ExplainOptions):
    threshold: float = 0.3
    """Leave out detections with a lower score, 0..1."""


def explain_command(arguments: Sequence[str]) -> None:
    """Why a trained model sees what it sees."""
    commands = {
        "classification": TaskCommand(ExplainClassesOptions, explain_classes),
        "detection": TaskCommand(ExplainObjectsOptions, explain_objects),
        "segmentation": TaskCommand(ExplainOptions, explain_segments),
    }
    run_by_task("explain", commands, arguments)


def explain_classes(classifier: Classifier, options: ExplainClassesOptions) -> None:
    """Paint over images what speaks for their most probable class."""

    def explain(image: Image.Image) -> Explanation:
        return classifier.explain(
            image, classes=options.classes, top=options.top, stage=options.stage, method=options.method
        )

    _explain_each(classifier, options, explain)


def explain_objects(detector: Detector, options: ExplainObjectsOptions) -> None:
    """Paint over images what speaks for each of the best detections."""

    def explain(image: Image.Image) -> Explanation:
        return detector.explain(
            image,
            classes=options.classes,
            top=options.top,
            threshold=options.threshold,
            stage=options.stage,
            method=options.method,
        )

    _explain_each(detector, options, explain)


def explain_segments(segmentor: Segmentor, options: ExplainOptions) -> None:
    """Paint over images what speaks for each class that is painted."""

    def explain(image: Image.Image) -> Explanation:
        return segmentor.explain(
            image, classes=options.classes, top=options.top, stage=options.stage, method=options.method
        )

    _explain_each(segmentor, options, explain)


def _explain_each(
    predictor: Classifier | Detector | Segmentor, options: ExplainOptions, explain: Callable[[Image.Image], Explanation]
) -> None:
    """The maps of every image, or with a place its attention, as a picture, text or JSON."""
    if options.top < 1:
        raise InputError(f"--top must be at least 1, not {options.top}")
    if options.place is None:
        check_method(options.method)
    elif options.classes:
        raise InputError("--place shows what a place attends to, whatever the class; leave --classes out")

    def look(image: Image.Image, path: Path, picture: Path) -> dict[str, Any]:
        place = options.place
        result: Explanation | PlaceAttention = (
            explain(image) if place is None else predictor.attention(image, place, stage=options.stage)
        )
        if not options.json:
            result.save(picture)
            print("\n".join([str(path), *_lines(result), f"  picture: {picture}\n"]))
        return result.to_dict()

    predict_each(options, look)


def _lines(result: Explanation | PlaceAttention) -> list[str]:
    """What is said of an image beside its picture."""
    if isinstance(result, PlaceAttention):
        return [f"  attention of {result.place[0]:g}, {result.place[1]:g} in {len(result.blocks)} blocks"]
    lines = []
    for each in result.maps:
        x, y = each.peak or (0.0, 0.0)
        where = "nothing speaks for it" if each.peak is None else f"peak at {x:.0f}, {y:.0f}"
        lines.append(f"  {each.name} {each.score:.3f}: {where} (stage {each.stage}, cells of {each.stride} pixels)")
    return lines or ["  nothing found"]
