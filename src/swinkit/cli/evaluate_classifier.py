"""swinkit evaluate CHECKPOINT, of a classifier"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.table import Table

from swinkit.classification.data.class_folders import class_folder_names, train_folder, validation_folder
from swinkit.classification.data.samples import ClassificationData
from swinkit.classification.data.sources import find_layout, open_evaluation_data
from swinkit.classification.evaluation import draw_results, measure
from swinkit.classification.predictor import Classifier
from swinkit.classification.scores import ClassificationScores
from swinkit.cli.console import result_console
from swinkit.cli.image_paths import run_name
from swinkit.errors import InputError
from swinkit.images.digits import open_digits

CLASSES_SHOWN = 50


@dataclass(frozen=True)
class EvaluateClassifierOptions:
    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A model file, the folder of a run, a name that `swinkit models` lists, an address, or hf-hub:owner/name."""
    data: Path | None = None
    """Folder with the images, as for training. Default: what the model was trained on."""
    part: Literal["held_out", "all"] = "held_out"
    """Of a folder without a validation part: the images that training holds out, or all."""
    out: Path | None = None
    """Folder for the confusion matrix and the page of predictions. Default: evaluation/NAME."""
    on_corrupt: Literal["stop", "skip"] | None = None
    """What to do with an image that cannot be read: stop, or report it and take the next one in its place. Default: as
    in training."""
    workers: int = 2
    """Processes that load images; 0 loads them in this one."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""
    json: bool = False
    """Print the results as JSON instead of tables."""


def evaluate_classifier(classifier: Classifier, options: EvaluateClassifierOptions) -> None:
    """Accuracy of a classifier on labelled images."""
    if options.workers < 0:
        raise InputError(f"--workers must be 0 or more, not {options.workers}")
    data = _data(options, classifier)
    folder = options.out or Path("evaluation") / run_name(options.checkpoint)
    measured = measure(classifier, data, workers=options.workers)
    pictures = draw_results(measured, data, folder, classes=classifier.classes)
    scores = measured.scores
    if options.json:
        print(json.dumps(_results(scores, classifier, pictures)))
        return
    top1, top5 = 100 * scores.top1, 100 * scores.top5
    print(f"{scores.images} images: top-1 {top1:.2f} %, top-5 {top5:.2f} %, loss {scores.loss:.4f}")
    if len(classifier.classes) <= CLASSES_SHOWN:
        result_console().print(_class_table(scores, classifier))
    for picture in pictures:
        print(f"  {picture.stem:12} {picture}")


def _data(options: EvaluateClassifierOptions, classifier: Classifier) -> ClassificationData:
    """The labelled images that are meant."""
    recipe = classifier.description.get("recipe") or {}
    fraction = recipe.get("validation_fraction", 0.2)
    root = options.data
    if root is None and recipe.get("dataset") == "digits":
        return open_digits(validation_fraction=fraction)[1]
    if root is None and recipe.get("data"):
        root = Path(recipe["data"])
    if root is None:
        raise InputError("say where the labelled images are, with --data DIR")
    return open_evaluation_data(
        root,
        classes=_class_names(root, classifier),
        part=options.part,
        on_corrupt=options.on_corrupt or recipe.get("on_corrupt", "stop"),
        validation_fraction=fraction,
    )


def _class_names(root: Path, classifier: Classifier) -> tuple[str, ...]:
    """What the model's classes are called in `root`.

    Weights of other code bases do not name their classes. They number them in the order of the class folders, as
    ImageNet's are called n01440764 and so on: folders of just as many classes, none with a known name, are meant so.
    """
    if "classes" in classifier.description or find_layout(root) != "class_folders":
        return classifier.classes
    folders = tuple(class_folder_names(validation_folder(root) or train_folder(root) or root))
    is_numbered = len(folders) == len(classifier.classes) and not set(folders) & set(classifier.classes)
    return folders if is_numbered else classifier.classes


def _results(scores: ClassificationScores, classifier: Classifier, pictures: Sequence[Path]) -> dict[str, Any]:
    accuracy = scores.per_class_accuracy().tolist()
    return {
        "images": scores.images,
        "top1": scores.top1,
        "top5": scores.top5,
        "loss": scores.loss,
        "per_class": {
            name: None if value != value else value for name, value in zip(classifier.classes, accuracy, strict=True)
        },
        "pictures": [str(picture) for picture in pictures],
    }


def _class_table(scores: ClassificationScores, classifier: Classifier) -> Table:
    table = Table("class", "top-1 %", box=None)
    for name, value in zip(classifier.classes, scores.per_class_accuracy().tolist(), strict=True):
        table.add_row(name, "no images" if value != value else f"{100 * value:.1f}")
    return table
