"""The data of a run, judged before it begins: what `swinkit train` and `swinkit check-data` both ask.

Shapes: K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from swinkit.classification.data.class_folders import unused_files
from swinkit.classification.data.image_stores import FolderStore
from swinkit.classification.data.samples import ClassificationImages, OnCorrupt
from swinkit.classification.data.sources import find_layout, open_classification_data
from swinkit.images.listing import left_out_lines
from swinkit.images.read import read_image_size
from swinkit.training.progress import watched

HEADERS_BEFORE_TRAINING = 20_000
"""So many image files, evenly spread over the data, are looked at before a training run."""

Splits = tuple[ClassificationImages, ClassificationImages]


def open_training_data(
    root: Path, *, on_corrupt: OnCorrupt = "stop", validation_fraction: float = 0.2
) -> tuple[Splits, list[str]]:
    """Training and validation images that a run can begin with, and what it should not pass over in silence, a sentence
    each; see `open_classification_data` for the arguments.

    Raises InputError where it cannot: also where the header of an image shows that reading it would stop the run.
    """
    splits = open_classification_data(root, on_corrupt=on_corrupt, validation_fraction=validation_fraction)
    if on_corrupt == "stop":
        for split in splits:
            _require_readable(split)
    return splits, [*remarks(*splits), *unused_lines(root)]


def unused_lines(root: Path) -> list[str]:
    """What in class folders is not used, a line for every reason."""
    return left_out_lines(unused_files(root), root=root) if find_layout(root) == "class_folders" else []


def remarks(train: ClassificationImages, val: ClassificationImages) -> Iterator[str]:
    """Classes that cannot be learned or measured, a sentence each."""
    for data, what in ((train, "to train on"), (val, "to validate on")):
        absent = [data.classes[label] for label in np.flatnonzero(class_counts(data) == 0)]
        if absent:
            shown = ", ".join(absent[:10]) + (", ..." if len(absent) > 10 else "")
            which = "the class" if len(absent) == 1 else f"these {len(absent)} classes:"
            yield f"no image {what} is of {which} {shown}"


def class_counts(data: ClassificationImages) -> np.ndarray:
    """(K,) how many images each class has."""
    return np.bincount(data.labels, minlength=len(data.classes))


def file_paths(data: ClassificationImages) -> list[Path]:
    """The image files; none of data in an archive."""
    if not isinstance(data.store, FolderStore):
        return []
    return [data.store.root / data.names[index] for index in range(len(data))]


def _require_readable(data: ClassificationImages) -> None:
    """Raises ImageError at the first of `HEADERS_BEFORE_TRAINING` images whose header cannot be read."""
    count = min(len(data), HEADERS_BEFORE_TRAINING)
    chosen = np.linspace(0, len(data) - 1, count).round().astype(int).tolist()
    if isinstance(data.store, FolderStore):
        for index in watched(chosen, "reading headers"):
            read_image_size(data.store.root / data.names[index])
