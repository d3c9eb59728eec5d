"""swinkit predict CHECKPOINT IMAGE..., of a classifier"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from rich.table import Table

from swinkit.classification.predictor import Classifier
from swinkit.classification.result import Classification
from swinkit.cli.console import result_console
from swinkit.cli.task_options import PredictOptions, predict_each
from swinkit.errors import InputError


@dataclass(frozen=True)
class PredictClassesOptions(PredictOptions):
    top: int = 5
    """How many classes to show; a picture has at most 20."""


def predict_classes(classifier: Classifier, options: PredictClassesOptions) -> None:
    """The most probable classes of images, and of every frame of videos."""
    if options.top < 1:
        raise InputError(f"--top must be at least 1, not {options.top}")

    def see(image: Image.Image) -> Classification:
        result = classifier.predict(image, top=options.top, views=options.views)
        assert isinstance(result, Classification)
        return result

    def predict(image: Image.Image, path: Path, picture: Path) -> dict[str, Any]:
        result = see(image)
        if not options.json:
            result.save(picture)
            _show(path, result, picture)
        return result.to_dict()

    predict_each(options, predict, see=see)


def _show(path: Path, result: Classification, picture: Path) -> None:
    table = Table("class", "probability", box=None)
    for name, probability in zip(result.classes, result.probabilities, strict=True):
        table.add_row(name, f"{100 * probability:.2f} %")
    print(path)
    result_console().print(table)
    print(f"  picture: {picture}\n")
