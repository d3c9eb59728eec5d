"""swinkit evaluate CHECKPOINT, of a classifier"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table
from torch import Tensor

from swinkit.classification.data.class_folders import class_folder_names, train_folder, validation_folder
from swinkit.classification.data.samples import ClassificationData
from swinkit.classification.data.sources import find_layout, open_evaluation_data
from swinkit.classification.evaluation import draw_results, measure
from swinkit.classification.predictor import Classifier
from swinkit.classification.scores import TOP5_CLASSES, ClassificationScores
from swinkit.cli.console import result_console
from swinkit.cli.task_options import EvaluateOptions, RecipeFacts, list_files
from swinkit.images.digits import open_digits
from swinkit.training.progress import progress_bar

CLASSES_SHOWN = 50
_SHOWN = {"precision": "precision", "recall": "recall", "f1": "F1"}


@dataclass(frozen=True)
class EvaluateClassifierOptions(EvaluateOptions):
    on_corrupt: Literal["stop", "skip"] | None = None
    """What to do with an image that cannot be read: stop, or report it and take the next one in its place. Default: as
    in training."""


def evaluate_classifier(classifier: Classifier, options: EvaluateClassifierOptions) -> dict[str, float]:
    """Accuracy of a classifier on labelled images, and precision, recall and F1 of each class and in the mean."""
    data = _data(options, classifier)
    step = progress_bar(len(data), "evaluating")
    measured = measure(classifier, data, workers=options.workers, views=options.views, step=step)
    pictures = draw_results(measured, data, options.folder, classes=classifier.classes)
    scores = measured.scores
    if options.json:
        print(json.dumps(_results(scores, classifier, pictures)))
        return {}
    top5 = f", top-5 {100 * scores.top5:.2f} %" if scores.num_classes >= TOP5_CLASSES else ""
    counted, known = scores.classes_measured, scores.num_classes
    covered = "" if counted == known else f" of {counted} of {known} classes"
    print(f"{scores.images} images: top-1{covered} {100 * scores.top1:.2f} %{top5}, loss {scores.loss:.4f}")
    means = scores.per_class().means()
    named = ", ".join(f"{shown} {100 * means[name]:.2f} %" for name, shown in _SHOWN.items())
    print(f"mean of the classes{covered}: {named}")
    if len(classifier.classes) <= CLASSES_SHOWN:
        result_console().print(_class_table(scores, classifier))
    list_files(pictures)
    return {"top-1": scores.top1} | ({"top-5": scores.top5} if top5 else {})


def _data(options: EvaluateClassifierOptions, classifier: Classifier) -> ClassificationData:
    """The labelled images that are meant."""
    recipe = RecipeFacts.of(classifier.description, options.checkpoint)
    fraction = recipe.validation_fraction
    if options.data is None and recipe.dataset == "digits":
        return open_digits(validation_fraction=fraction)[1]
    root = options.data or recipe.training_data("labelled images")
    return open_evaluation_data(
        root,
        classes=_class_names(root, classifier),
        part=options.part,
        on_corrupt=options.on_corrupt or recipe.on_corrupt,
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
    each = scores.per_class()

    def by_class(values: Tensor) -> dict[str, float | None]:
        pairs = zip(classifier.classes, values.tolist(), strict=True)
        return {name: None if value != value else value for name, value in pairs}

    return {
        "images": scores.images,
        "classes_measured": scores.classes_measured,
        "top1": scores.top1,
        "top5": scores.top5,
        "loss": scores.loss,
        "macro": each.means(),
        "per_class": by_class(each.recall),
        "precision": by_class(each.precision),
        "recall": by_class(each.recall),
        "f1": by_class(each.f1),
        "pictures": [str(picture) for picture in pictures],
    }


def _class_table(scores: ClassificationScores, classifier: Classifier) -> Table:
    table = Table("class", "images", "precision %", "recall %", "F1 %", box=None)
    each = scores.per_class()
    columns = [values.tolist() for values in (each.precision, each.recall, each.f1)]
    images = scores.class_images().tolist()
    for name, count, *values in zip(classifier.classes, images, *columns, strict=True):
        shown = (f"{100 * value:.1f}" for value in values)
        table.add_row(name, str(count), *(shown if count else ("no images", "", "")))
    return table
