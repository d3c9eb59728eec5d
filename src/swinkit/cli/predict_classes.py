"""swinkit predict CHECKPOINT IMAGE..., of a classifier"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from swinkit.classification.predictor import Classifier
from swinkit.classification.result import Classification
from swinkit.cli.console import result_console
from swinkit.cli.image_paths import image_paths, picture_paths
from swinkit.errors import InputError


@dataclass(frozen=True)
class PredictClassesOptions:
    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A model file, the folder of a run, a name that `swinkit models` lists, an address, or hf-hub:owner/name."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Images, or folders of images."""
    top: int = 5
    """How many classes to show; a picture has at most 20."""
    out: Path = Path("predictions")
    """Folder for the annotated pictures."""
    json: bool = False
    """Print JSON instead of tables, and draw no pictures."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""


def predict_classes(classifier: Classifier, options: PredictClassesOptions) -> None:
    """The most probable classes of images."""
    if options.top < 1:
        raise InputError(f"--top must be at least 1, not {options.top}")
    paths = list(image_paths(options.images))
    rows, failures = [], []
    for path, picture in zip(paths, picture_paths(paths, options.out), strict=True):
        try:
            result = classifier.predict(path, top=options.top)
        except InputError as error:
            failures.append(str(error))
            continue
        assert isinstance(result, Classification)
        if options.json:
            rows.append({"image": str(path), **result.to_dict()})
        else:
            result.save(picture)
            _show(path, result, picture)
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
    if failures:
        raise InputError("; ".join(failures))


def _show(path: Path, result: Classification, picture: Path) -> None:
    table = Table("class", "probability", box=None)
    for name, probability in zip(result.classes, result.probabilities, strict=True):
        table.add_row(name, f"{probability:.4f}")
    print(path)
    result_console().print(table)
    print(f"  picture: {picture}\n")
