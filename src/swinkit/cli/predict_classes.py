"""swinkit predict CHECKPOINT IMAGE..., of a classifier"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from swinkit.classification.pictures.annotation import annotate_image
from swinkit.classification.predictor import open_classifier
from swinkit.cli.console import result_console
from swinkit.cli.image_paths import image_paths, picture_paths
from swinkit.errors import InputError
from swinkit.images.read import read_image
from swinkit.training.processes import choose_device

MOST_BARS = 20
"""The picture shows no more classes than this, the table as many as asked for."""


@dataclass(frozen=True)
class PredictOptions:
    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A model file, the folder of a run, a name that `swinkit models` lists, an address, or hf-hub:owner/name."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Images, or folders of images."""
    top: int = 5
    """How many classes to show."""
    out: Path = Path("predictions")
    """Folder for the annotated pictures."""
    json: bool = False
    """Print JSON instead of tables, and draw no pictures."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""


def predict_classes_command(arguments: Sequence[str]) -> None:
    """The most probable classes of images."""
    options = tyro.cli(
        PredictOptions, args=list(arguments), prog="swinkit predict", description=predict_classes_command.__doc__
    )
    if options.top < 1:
        raise InputError(f"--top must be at least 1, not {options.top}")
    paths = list(image_paths(options.images))
    classifier = open_classifier(options.checkpoint, device=choose_device(options.device))
    results, failures = [], []
    pictures = picture_paths(paths, options.out)
    for path, picture in zip(paths, pictures, strict=True):
        try:
            image = read_image(path)
        except InputError as error:
            failures.append(str(error))
            continue
        rows = classifier.predict([image], top=options.top)[0]
        results.append({"image": str(path), "predictions": [{"class": n, "probability": p} for n, p in rows]})
        if not options.json:
            annotate_image(image, rows[:MOST_BARS], picture)
            _show(path, rows, picture)
    if options.json:
        print(json.dumps(results, ensure_ascii=False))
    if failures:
        raise InputError("; ".join(failures))


def _show(path: Path, rows: Sequence[tuple[str, float]], picture: Path) -> None:
    table = Table("class", "probability", box=None)
    for name, probability in rows:
        table.add_row(name, f"{probability:.4f}")
    print(path)
    result_console().print(table)
    print(f"  picture: {picture}\n")
