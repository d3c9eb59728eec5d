"""What the official list files share: (relative path, label) pairs for training and validation, and their classes."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from swinkit.errors import InputError
from swinkit.images.names import NameTable

MOST_CLASSES = 100_000
"""Five times those of ImageNet-22K: a list says how many there are by its largest number alone."""
MOST_DIGITS = 20
"""Digits of a class number; more are none."""

_log = logging.getLogger(__name__)


class ListedImages:
    """The content of one list file: `names[i]` has the class number `labels[i]`."""

    def __init__(self, source: Path, names: list[str], labels: list[int]) -> None:
        if not names:
            raise InputError(f"{source} lists no images; check that it is the right file")
        highest = max(labels)
        if highest >= MOST_CLASSES:
            name = names[labels.index(highest)]
            raise InputError(f"{source} gives {name} the class {highest}; class numbers go up to {MOST_CLASSES - 1}")
        self.source = source
        self.names = NameTable(names)
        self.labels = np.asarray(labels, dtype=np.int64)


def class_names(train: ListedImages) -> tuple[str, ...]:
    """Names for classes 0..max(label): the first folder of the paths where that tells classes apart, else the number.

    `n01440764/n01440764_10026.JPEG` with label 0 makes class 0 "n01440764". The first path of a label decides: two
    pairs of ImageNet-22K synsets share a label. A class without images keeps its number and is logged.
    """
    count = int(train.labels.max()) + 1
    occupied, first = np.unique(train.labels, return_index=True)
    if len(occupied) < count:
        _log.warning("%s has images for %d of its %d classes only.", train.source, len(occupied), count)
    numbers = [str(label) for label in range(count)]
    names = list(numbers)
    for label, index in zip(occupied, first, strict=True):
        folder, slash, _ = train.names[int(index)].lstrip("/").partition("/")
        if not slash:
            return tuple(numbers)
        names[label] = folder
    return tuple(names if len(set(names)) == count else numbers)


def check_labels(listed: ListedImages, classes: Sequence[str]) -> None:
    """Raises InputError, naming the sample, if a label is no index into `classes`."""
    beyond = np.flatnonzero(listed.labels >= len(classes))
    if len(beyond):
        raise InputError(
            f"{listed.source} gives {listed.names[int(beyond[0])]} the class {listed.labels[beyond[0]]}, but the "
            f"training list ends at class {len(classes) - 1}; use lists that belong together"
        )
