"""scikit-learn's handwritten digits: 1797 real 8 x 8 grey images of 0..9, part of the library, no download."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from PIL import Image

from swinkit.errors import InputError
from swinkit.training.data.splits import stratified_split

_CLASSES = tuple("0123456789")


class DigitImages:
    """Digits as RGB images, white ink on black, every source pixel a square of `magnification` pixels."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, numbers: np.ndarray, *, magnification: int) -> None:
        self.labels = labels
        self.classes = _CLASSES
        self._pixels, self._magnification = pixels, magnification
        self._images = pixels.repeat(magnification, axis=1).repeat(magnification, axis=2)
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self._images[index]).convert("RGB"), int(self.labels[index])

    def sample_name(self, index: int) -> str:
        """`digits/0007`: the number is scikit-learn's."""
        return _name(int(self._numbers[index]))

    def subset(self, indices: Sequence[int]) -> Self:
        """The digits at `indices`, in that order."""
        kept = np.asarray(indices, dtype=np.int64)
        parts = self._pixels[kept], self.labels[kept], self._numbers[kept]
        return type(self)(*parts, magnification=self._magnification)


def open_digits(
    *, magnification: int = 2, validation_fraction: float = 0.2, split_seed: int = 0
) -> tuple[DigitImages, DigitImages]:
    """Training and validation digits, split by class like any other data (`splits.stratified_split`).

    Images are 8 * magnification pixels a side: with the default a 4 x 4 patch covers 2 x 2 source pixels. Grey 0..16
    becomes 0..255.

    Raises InputError if magnification is below 1.
    """
    from sklearn.datasets import load_digits  # slow to import, and nothing else here needs it

    if magnification < 1:
        raise InputError(f"the magnification of the digits is {magnification}; it must be a whole number from 1 on")
    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    names = [_name(number) for number in range(len(labels))]
    train, val = stratified_split(labels, names, fraction=validation_fraction, seed=split_seed)
    return (
        DigitImages(pixels[train], labels[train], train, magnification=magnification),
        DigitImages(pixels[val], labels[val], val, magnification=magnification),
    )


def _name(number: int) -> str:
    return f"digits/{number:04d}"
