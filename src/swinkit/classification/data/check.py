"""What labelled images hold, and what is wrong with them, found before training.

Shapes: K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from swinkit.classification.data.samples import ClassificationImages
from swinkit.classification.data.training_data import class_counts, file_paths
from swinkit.images.duplicates import same_bytes
from swinkit.images.read import ImageError


@dataclass
class ClassificationReport:
    """The images of one split."""

    classes: tuple[str, ...]
    counts: np.ndarray
    """(K,) images of each class."""
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Height and width, and how many images have them."""
    problems: list[str] = field(default_factory=list)
    """Images that cannot be read, a sentence each."""


def check_classification(
    data: ClassificationImages, *, step: Callable[[int], object] = lambda done: None
) -> ClassificationReport:
    """Read every image; `step` is called with the number of images done."""
    report = ClassificationReport(data.classes, class_counts(data))
    for index in range(len(data)):
        try:
            image = data.store.read(data.names[index])
            report.sizes[image.height, image.width] += 1
        except ImageError as error:
            report.problems.append(str(error))
        step(index + 1)
    return report


def repeated_images(train: ClassificationImages, val: ClassificationImages) -> Iterator[str]:
    """A line for images that are in both splits, and one for images that are in two classes, byte for byte the same."""
    of_train, of_val = file_paths(train), file_paths(val)
    label = {
        path: data.classes[number]
        for data, paths in ((train, of_train), (val, of_val))
        for path, number in zip(paths, data.labels.tolist(), strict=True)
    }
    groups, validated = same_bytes([*of_train, *of_val]), set(of_val)
    both = [group for group in groups if 0 < sum(path in validated for path in group) < len(group)]
    if both:
        yield f"{_images(len(both))} to validate on {_is(both)} in the training data, too: {_pair(both[0], validated)}"
    torn = [group for group in groups if len({label[path] for path in group}) > 1]
    if torn:
        yield f"{_images(len(torn))} {_is(torn)} in two classes: {' and '.join(map(str, torn[0][:2]))}"


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def _is(found: list[list[Path]]) -> str:
    return "is" if len(found) == 1 else "are"


def _pair(group: list[Path], validated: set[Path]) -> str:
    one = next(path for path in group if path in validated)
    other = next(path for path in group if path not in validated)
    return f"{one} and {other}"
