"""swinkit evaluate CHECKPOINT, of a segmentor"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from swinkit.cli.console import result_console
from swinkit.cli.segmentation_options import ShownAs
from swinkit.cli.task_options import EvaluateOptions, RecipeFacts, list_files
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.segmentation.data.folders import open_validation_split, read_classes, unlabelled_images
from swinkit.segmentation.data.samples import SegmentationData
from swinkit.segmentation.data.scenes import open_segmentation_scenes
from swinkit.segmentation.evaluation import draw_results, measure
from swinkit.segmentation.predictor import Segmentor
from swinkit.segmentation.scores import SegmentationScores
from swinkit.segmentation.submission import write_submission
from swinkit.serialization import from_plain
from swinkit.training.progress import progress_bar


@dataclass(frozen=True)
class EvaluateSegmentorOptions(EvaluateOptions):
    reduce_zero_label: bool = False
    """Masks have 0 for "other", which is ignored, as in ADE20K; always so where the model was trained on such masks."""
    mask_values: tuple[int, ...] | None = None
    """The masks' value of each class, such as 0 255. Default: as in training."""
    shown: Annotated[ShownAs, tyro.conf.arg(name="")] = field(default_factory=ShownAs)


def evaluate_segmentor(segmentor: Segmentor, options: EvaluateSegmentorOptions) -> dict[str, float] | None:
    """Mean IoU of a segmentor, IoU of each class, pixel and mean accuracy, on images with masks; of a folder of images
    without masks, such as ADE20K's test set, the file for its server."""
    images = () if options.data is None else unlabelled_images(options.data)
    if images:
        _submit(segmentor, images, options)
        return None
    data = _data(options, segmentor)
    settings = options.shown.settings(segmentor.preprocessing, options.views)
    step = progress_bar(len(data), "evaluating")
    scores, samples = measure(
        segmentor, data, settings=settings, workers=options.workers, views=options.views, step=step
    )
    pictures = draw_results(scores, samples, segmentor, options.folder)
    if options.json:
        paths = [str(picture) for picture in pictures]
        print(
            json.dumps(
                {
                    "images": len(data),
                    "classes_measured": scores.classes_measured,
                    **scores.to_dict(segmentor.classes),
                    "pictures": paths,
                }
            )
        )
        return {}
    measured, known = scores.classes_measured, scores.num_classes
    covered = "" if measured == known else f" of {measured} of {known} classes"
    print(
        f"{len(data)} images: mIoU{covered} {100 * scores.miou:.2f} %, "
        f"pixel accuracy {100 * scores.pixel_accuracy:.2f} %, mean accuracy {100 * scores.mean_accuracy:.2f} %"
    )
    result_console().print(_class_table(scores, segmentor))
    list_files(pictures)
    return {"mIoU": scores.miou, "pixel accuracy": scores.pixel_accuracy}


def _submit(segmentor: Segmentor, images: Sequence[Path], options: EvaluateSegmentorOptions) -> None:
    """Write what a server takes, and say that there is no score."""
    written = write_submission(
        segmentor,
        images,
        options.folder,
        settings=options.shown.settings(segmentor.preprocessing, options.views),
        views=options.views,
        reduce_zero_label=_is_reduced(options, segmentor),
        step=progress_bar(len(images), "segmenting"),
    )
    if options.json:
        print(json.dumps({"images": len(images), "miou": None, "files": [str(written)]}))
        return
    print(f"{len(images)} images")
    print(f"no score: {options.data} has no masks. The test server gives one for this zip of PNGs:")
    list_files([written])


def _is_reduced(options: EvaluateSegmentorOptions, segmentor: Segmentor) -> bool:
    recipe = RecipeFacts.of(segmentor.description, options.checkpoint)
    return options.reduce_zero_label or recipe.reduce_zero_label


def _data(options: EvaluateSegmentorOptions, segmentor: Segmentor) -> SegmentationData:
    """The images with masks that are meant."""
    recipe = RecipeFacts.of(segmentor.description, options.checkpoint)
    if options.data is None and recipe.dataset == "digit_scenes":
        return open_segmentation_scenes(
            from_plain(SceneSettings, recipe.scenes, where="the scenes of the recipe in the model's file")
        )[1]
    root = options.data or recipe.training_data("images with masks")
    if not recipe.classes_file:
        _check_classes(root, segmentor)
    return open_validation_split(
        root,
        classes=segmentor.classes,
        reduce_zero_label=_is_reduced(options, segmentor),
        validation_fraction=recipe.validation_fraction,
        whole=options.part == "all",
        mask_values=options.mask_values or recipe.mask_values,
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
    table = Table("class", "IoU %", "accuracy %", box=None)
    columns = (scores.per_class_iou().tolist(), scores.per_class_accuracy().tolist())
    for name, *values in zip(segmentor.classes, *columns, strict=True):
        table.add_row(name, *("no pixels" if value != value else f"{100 * value:.2f}" for value in values))
    return table
