"""swinkit predict CHECKPOINT IMAGE..."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from swinkit.cli.console import result_console
from swinkit.cli.images import image_paths
from swinkit.data.images import read_image
from swinkit.engine.processes import choose_device
from swinkit.errors import InputError
from swinkit.tasks import open_classifier
from swinkit.visualize import annotate_image

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


def predict_command(arguments: Sequence[str]) -> None:
    """The most probable classes of images."""
    options = tyro.cli(
        PredictOptions, args=list(arguments), prog="swinkit predict", description=predict_command.__doc__
    )
    if options.top < 1:
        raise InputError(f"--top must be at least 1, not {options.top}")
    paths = list(image_paths(options.images))
    classifier = open_classifier(options.checkpoint, device=choose_device(options.device))
    results, failures = [], []
    pictures = _picture_paths(paths, options.out)
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


def _picture_paths(paths: Sequence[Path], folder: Path) -> list[Path]:
    """For every image a picture of its own in `folder`, called after the image and its folder."""
    pictures: dict[Path, None] = {}
    for path in paths:
        name = "_".join([*path.parent.parts[-1:], path.stem]).replace("/", "")
        picture, number = folder / f"{name}.png", 1
        while picture in pictures:
            number += 1
            picture = folder / f"{name}_{number}.png"
        pictures[picture] = None
    return list(pictures)


def _show(path: Path, rows: Sequence[tuple[str, float]], picture: Path) -> None:
    table = Table("class", "probability", box=None)
    for name, probability in rows:
        table.add_row(name, f"{probability:.4f}")
    print(path)
    result_console().print(table)
    print(f"  picture: {picture}\n")
