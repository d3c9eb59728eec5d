"""swinkit evaluate CHECKPOINT, of a segmentor"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.table import Table

from swinkit.cli.console import result_console
from swinkit.cli.image_paths import run_name
from swinkit.cli.segmentation_options import ShownAs
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.segmentation.data.folders import open_validation_split, read_classes
from swinkit.segmentation.data.samples import SegmentationData
from swinkit.segmentation.data.scenes import open_segmentation_scenes
from swinkit.segmentation.evaluation import draw_results, measure
from swinkit.segmentation.predictor import Segmentor
from swinkit.segmentation.scores import SegmentationScores
from swinkit.serialization import from_plain
from swinkit.training.processes import choose_device
from swinkit.weights.model_file import read_model_file


@dataclass(frozen=True)
class EvaluateSegmentorOptions:
    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A model file, the folder of a run, a name that `swinkit models` lists, an address, or hf-hub:owner/name."""
    data: Path | None = None
    """Folder with images and masks, as for training. Default: what the model was trained on."""
    part: Literal["held_out", "all"] = "held_out"
    """Of a folder without a validation split: the images that training holds out, or all."""
    reduce_zero_label: bool = False
    """Masks have 0 for "other", which is ignored, as in ADE20K; always so where the model was trained on such masks."""
    shown: Annotated[ShownAs, tyro.conf.arg(name="")] = field(default_factory=ShownAs)
    out: Path | None = None
    """Folder for the pictures. Default: evaluation/NAME."""
    workers: int = 2
    """Processes that load images; 0 loads them in this one."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""
    json: bool = False
    """Print the results as JSON instead of tables."""


def evaluate_segmentor_command(arguments: Sequence[str]) -> None:
    """Mean IoU of a segmentor, IoU of each class, pixel and mean accuracy, on images with masks."""
    options = tyro.cli(
        EvaluateSegmentorOptions,
        args=list(arguments),
        prog="swinkit evaluate",
        description=evaluate_segmentor_command.__doc__,
    )
    file, device = read_model_file(options.checkpoint), choose_device(options.device)
    evaluate_segmentor(Segmentor.from_file(file, device=device), options)


def evaluate_segmentor(segmentor: Segmentor, options: EvaluateSegmentorOptions) -> None:
    """Measure an opened segmentor, draw and print what came of it."""
    if options.workers < 0:
        raise InputError(f"--workers must be 0 or more, not {options.workers}")
    data = _data(options, segmentor)
    folder = options.out or Path("evaluation") / run_name(options.checkpoint)
    settings = options.shown.settings(segmentor.preprocessing)
    scores, samples = measure(segmentor, data, settings=settings, workers=options.workers)
    pictures = draw_results(scores, samples, segmentor.classes, folder)
    if options.json:
        paths = [str(picture) for picture in pictures]
        print(json.dumps({"images": len(data), **scores.to_dict(segmentor.classes), "pictures": paths}))
        return
    print(
        f"{len(data)} images: mIoU {scores.miou:.4f}, pixel accuracy {scores.pixel_accuracy:.4f}, mean accuracy "
        f"{scores.mean_accuracy:.4f}"
    )
    result_console().print(_class_table(scores, segmentor))
    for picture in pictures:
        print(f"  {picture.stem:12} {picture}")


def _data(options: EvaluateSegmentorOptions, segmentor: Segmentor) -> SegmentationData:
    """The images with masks that are meant."""
    recipe = segmentor.description.get("recipe") or {}
    if options.data is None and recipe.get("dataset") == "digit_scenes":
        return open_segmentation_scenes(from_plain(SceneSettings, recipe["scenes"]))[1]
    root = options.data or (Path(recipe["data"]) if recipe.get("data") else None)
    if root is None:
        raise InputError("say where the images with masks are, with --data DIR")
    if not recipe.get("classes_file"):
        _check_classes(root, segmentor)
    return open_validation_split(
        root,
        classes=segmentor.classes,
        reduce_zero_label=options.reduce_zero_label or bool(recipe.get("reduce_zero_label", False)),
        validation_fraction=recipe.get("validation_fraction", 0.2),
        whole=options.part == "all",
    )


def _check_classes(root: Path, segmentor: Segmentor) -> None:
    """Raises InputError where the list of classes beside the masks numbers them otherwise than the model does."""
    try:
        listed = read_classes(None, root)
    except InputError:
        return  # there is none, which only training needs
    known = segmentor.classes
    if len(listed) != len(known):
        raise InputError(
            f"{root} lists {len(listed)} classes, but the model knows {len(known)}; take the data it was trained for"
        )
    is_named = known != tuple(map(str, range(len(known))))
    place = next((n for n, name in enumerate(listed) if name != known[n] and name in known), None)
    if is_named and place is not None:
        raise InputError(
            f"class {place} is {listed[place]!r} in {root} and {known[place]!r} in the model, so the masks mean other "
            "classes; give masks numbered as in training"
        )


def _class_table(scores: SegmentationScores, segmentor: Segmentor) -> Table:
    table = Table("class", "IoU", "accuracy", box=None)
    columns = (scores.per_class_iou().tolist(), scores.per_class_accuracy().tolist())
    for name, *values in zip(segmentor.classes, *columns, strict=True):
        table.add_row(name, *("no pixels" if value != value else f"{value:.4f}" for value in values))
    return table
