"""Options and output that `evaluate` and `predict` have in common, whatever a checkpoint is a model of."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import tyro
from PIL import Image

from swinkit.cli.image_paths import image_paths, picture_paths, run_folder, run_name
from swinkit.cli.predict_video import SeenFrame, predict_video
from swinkit.errors import InputError
from swinkit.files import exists, is_folder
from swinkit.images.listing import IN_SUBFOLDER, left_out_lines
from swinkit.images.read import read_image
from swinkit.images.video import is_video_name
from swinkit.serialization import from_plain
from swinkit.structures import Views
from swinkit.training.progress import progress_bar

MOST_FAILURES = 20
"""So many images without a result are named."""

DEFAULT_PLACE = Path("..", "..")
"""Of runs/NAME, seen from there: where files that do not say it were made."""


@dataclass(frozen=True)
class ImageOptions:
    """Of commands that show a model images, one after the other."""

    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A model file, the folder of a run, a name that `swinkit models` lists, an address, or hf-hub:owner/name."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Images, folders of images, patterns such as "photos/*.jpg", or, of `predict`, videos."""
    out: Path | None = None
    """Folder for the pictures and videos. Default: predictions/, of `explain` explanations/, in the folder of the run
    where the checkpoint is in one."""
    json: bool = False
    """Print JSON instead of text, and draw no annotated pictures."""
    recursive: bool = False
    """Take the images in folders below those given, too."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""

    folder_name: ClassVar[str] = "predictions"

    @property
    def folder(self) -> Path:
        """Where pictures go."""
        return self.out or (run_folder(self.checkpoint) or Path()) / self.folder_name


@dataclass(frozen=True)
class PredictOptions(ImageOptions):
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes with half the bits; how much faster that is here, and what it changes in the first images, is told
    first."""
    views: Annotated[Views, tyro.conf.arg(name="")] = field(default_factory=Views)


@dataclass(frozen=True)
class EvaluateOptions:
    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A model file, the folder of a run, a name that `swinkit models` lists, an address, or hf-hub:owner/name."""
    data: Path | None = None
    """Labelled images, as for training. Default: what the model was trained on."""
    part: Literal["held_out", "all"] = "held_out"
    """Of data without a validation split: the images that training holds out, or all."""
    out: Path | None = None
    """Folder for pictures and other files about the results. Default: evaluation/ in the folder of the run, else
    evaluation/NAME."""
    workers: int = 2
    """Processes that load images; 0 loads them in this one."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes with half the bits."""
    compare: bool = False
    """With --precision bf16: evaluate in fp32 first, and print what bf16 changes in the scores."""
    json: bool = False
    """Print the results as JSON instead of tables."""
    views: Annotated[Views, tyro.conf.arg(name="")] = field(default_factory=Views)

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise InputError(f"--workers must be 0 or more, not {self.workers}")
        if self.compare and (self.precision != "bf16" or self.json):
            raise InputError("--compare prints in words what --precision bf16 changes; give that, without --json")

    @property
    def folder(self) -> Path:
        """Where pictures go."""
        run = run_folder(self.checkpoint)
        return self.out or (Path("evaluation") / run_name(self.checkpoint) if run is None else run / "evaluation")


@dataclass(frozen=True)
class RecipeFacts:
    """What an evaluation takes from the recipe of a model, where its file tells it."""

    dataset: str | None = None
    data: Path | None = None
    images: Path | None = None
    classes_file: Path | None = None
    reduce_zero_label: bool = False
    mask_values: tuple[int, ...] | None = None
    validation_fraction: float = 0.2
    on_corrupt: Literal["stop", "skip"] = "stop"
    scenes: Any = None

    paths_from: Path = DEFAULT_PLACE
    """Where relative paths of the recipe begin, seen from the folder of the model's file."""
    folder: Path = Path()
    """Of the model's file."""

    @classmethod
    def of(cls, description: Mapping[str, Any], checkpoint: str) -> Self:
        """Raises InputError where a value is of another type."""
        recipe = description.get("recipe") or {}
        values = {each.name: recipe[each.name] for each in fields(cls) if each.name in recipe}
        given = Path(checkpoint)
        folder = str(given if is_folder(given) else given.parent)
        return from_plain(cls, values | {"folder": folder}, where="the recipe in the model's file")

    def training_data(self, what: str) -> Path:
        """Where the data of the training are now. Raises InputError, which names --data, where nobody knows."""
        if self.data is None:
            raise InputError(f"say where the {what} are, with --data DIR")
        found = self._found(self.data)
        if found is None:
            raise InputError(
                f"the data of the training, {self.data}, are not where they were; say where the {what} are, with "
                "--data DIR"
            )
        return found

    @property
    def training_images(self) -> Path | None:
        """Where the folder of the images is now, where the recipe names one that is still there."""
        return None if self.images is None else self._found(self.images)

    def _found(self, path: Path) -> Path | None:
        begins = Path(os.path.normpath(self.folder.absolute() / self.paths_from))
        return next((place for place in (begins / path, path) if exists(place)), None)


def predict_each(
    options: ImageOptions,
    predict: Callable[[Image.Image, Path, Path], dict[str, Any]],
    *,
    see: Callable[[Image.Image], SeenFrame] | None = None,
    endings: Sequence[str] = ("",),
) -> None:
    """Run `predict(image, its path, its picture's path)` for every image, which gives what JSON says of it, and `see`,
    if given, for every frame of the videos. Files that cannot be read, or whose picture cannot be written, are named at
    the end, a line each, and are an InputError."""

    def row(path: Path, picture: Path) -> dict[str, Any]:
        if see is not None and is_video_name(path.name):
            return predict_video(path, picture, see, draws=not options.json)
        return {"image": str(path), **predict(read_image(path), path, picture)}

    paths, left_out = image_paths(options.images, recursive=options.recursive)
    rows, failures = [], []
    # Without JSON, every image has lines of its own.
    step = progress_bar(len(paths), "looking") if options.json else lambda done: None
    pictures = picture_paths(paths, options.folder, endings=endings)
    for done, (path, picture) in enumerate(zip(paths, pictures, strict=True), start=1):
        try:
            rows.append(row(path, picture))
        except InputError as error:
            failures.append(str(error))
        step(done)
    if options.json:
        print(json.dumps(rows, ensure_ascii=False))
    for line in left_out_lines(left_out):
        hint = "; --recursive takes them" if IN_SUBFOLDER in line else ""
        print(f"{line}{hint}", file=sys.stderr)
    name_failures(failures, len(paths))


def name_failures(failures: Sequence[str], count: int) -> None:
    """Print why some of `count` images have no result, a line each, and raise InputError; nothing if all have one."""
    if len(failures) == 1:
        raise InputError(failures[0])
    for failure in failures[:MOST_FAILURES]:
        print(f"  {failure}", file=sys.stderr)
    if failures:
        more = "" if len(failures) <= MOST_FAILURES else f", the first {MOST_FAILURES}"
        raise InputError(f"{len(failures)} of {count} images have no result, for the reasons above{more}")


def list_files(paths: Sequence[Path]) -> None:
    """Print where pictures and other files lie."""
    for path in paths:
        print(f"  {path.stem:12} {path}")
