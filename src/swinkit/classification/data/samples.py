"""Images with one class each: what a classification data set is to everything after it."""

import logging
from collections.abc import Sequence
from typing import Literal, Protocol, Self

import numpy as np
from PIL import Image

from swinkit.classification.data.image_stores import ImageStore
from swinkit.errors import InputError
from swinkit.images.names import NameTable
from swinkit.images.read import ImageError

OnCorrupt = Literal["stop", "skip"]

# This many unreadable images in a row are no accident of single files.
_MAX_SKIPPED = 100

_log = logging.getLogger(__name__)


class ClassificationData(Protocol):
    """Labelled images. `labels[i]` is the class of sample i, an index into `classes`."""

    classes: tuple[str, ...]

    @property
    def labels(self) -> np.ndarray: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        """The image in 8-bit RGB and its label."""

    def sample_name(self, index: int) -> str:
        """What to call sample `index` in messages and pictures."""

    def subset(self, indices: Sequence[int]) -> "ClassificationData":
        """The samples at `indices`, in that order, with the same classes."""


class ClassificationImages:
    """Labelled images in a store (folder or zip archive).

    `names` are relative to the store, `labels` index `classes`. `on_corrupt` says what an unreadable image does:
    "stop" raises its ImageError; "skip" logs it as a warning, once per process, and the next readable sample (with
    its own label) takes its place, the same one in every epoch and worker, so that the length stays and runs repeat.
    In an evaluation the substitute counts twice.
    """

    def __init__(
        self,
        store: ImageStore,
        names: Sequence[str] | NameTable,
        labels: Sequence[int] | np.ndarray,
        classes: Sequence[str],
        *,
        on_corrupt: OnCorrupt = "stop",
    ) -> None:
        self.store = store
        self.names = names if isinstance(names, NameTable) else NameTable(names)
        self.labels = np.asarray(labels, dtype=np.int64)
        self.classes = tuple(classes)
        self.on_corrupt: OnCorrupt = on_corrupt
        self._reported: set[int] = set()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        for step in range(min(len(self), _MAX_SKIPPED)):
            candidate = (index + step) % len(self)
            try:
                return self.store.read(self.names[candidate]), int(self.labels[candidate])
            except ImageError as error:
                if self.on_corrupt == "stop":
                    raise
                self._report(candidate, error)
        raise InputError(
            f"no readable image in {min(len(self), _MAX_SKIPPED)} samples from {self.sample_name(index)} on: "
            "check the data folder"
        )

    def sample_name(self, index: int) -> str:
        """Path of the file, or of the archive with the path inside it."""
        return self.store.describe(self.names[index])

    def subset(self, indices: Sequence[int] | np.ndarray) -> Self:
        """The samples at `indices`, in that order, with the same classes."""
        names = NameTable(self.names[int(index)] for index in indices)
        return type(self)(self.store, names, self.labels[indices], self.classes, on_corrupt=self.on_corrupt)

    def with_classes(self, classes: Sequence[str]) -> Self:
        """The same images, labelled by the position of their class in `classes` (those of a model, say).

        Raises InputError, naming the class, if an occupied class is not among `classes`.
        """
        position = {name: index for index, name in enumerate(classes)}
        for label in np.unique(self.labels):
            if self.classes[label] not in position:
                raise InputError(
                    f"the class {self.classes[label]!r} of {self.sample_name(0)} and others is none of the "
                    f"{len(position)} classes asked for ({_some(list(position))}); rename or remove it"
                )
        table = np.array([position.get(name, -1) for name in self.classes])
        return type(self)(self.store, self.names, table[self.labels], classes, on_corrupt=self.on_corrupt)

    def _report(self, index: int, error: ImageError) -> None:
        if index not in self._reported:
            self._reported.add(index)
            _log.warning("Skipped: %s", error)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
