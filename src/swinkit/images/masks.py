"""One mask file, read as class numbers, or one clear sentence why not."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from swinkit.errors import InputError, border
from swinkit.files import BoundedFile
from swinkit.images.read import MAX_PIXELS

MASK_SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff", ".gif"})
_FORMATS = ("PNG", "BMP", "TIFF", "GIF")
_INDEX_MODES = ("1", "L", "P", "I", "I;16", "I;16B")


class MaskError(InputError):
    """A mask that cannot be used; the message names the file and what is wrong with it."""


def read_mask(path: Path, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """The value of every pixel of a grey (8 or 16 bits), black-and-white or palette image, (H, W) uint8, or int32
    where they have more than 8 bits.

    A palette says how a mask looks; its pixels' values are the classes. Black-and-white is 0 and 1.

    Args:
        path: the file; EXIF orientation is not applied.
        size: height and width that it must have.

    Raises:
        MaskError: naming the file, where it is missing, damaged, in colour, or of another size.
    """
    with _opened(path) as image:
        _check_header(image, path, size)
        return _values(image)


def check_mask_header(path: Path, size: tuple[int, int]) -> None:
    """Raises MaskError where the file's header alone shows that `read_mask` would refuse it."""
    with _opened(path) as image:
        _check_header(image, path, size)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The file as an image whose pixels are still to be read; whatever is raised meanwhile becomes a MaskError."""
    with border(f"{path} is no mask that can be read", "save it as a grey or palette PNG", error=MaskError):
        try:
            opened = BoundedFile(path)
        except FileNotFoundError:
            raise MaskError(f"there is no mask {path}; check the path") from None
        except InputError as error:
            raise MaskError(error) from None
        with opened as file, Image.open(file, formats=_formats()) as image:
            yield image


def _values(image: Image.Image) -> np.ndarray:
    """The pixels in the smallest type that holds them: large masks would take eight times their size as int64."""
    values = np.asarray(image)
    if values.dtype == bool:
        return values.astype(np.uint8)
    return values if values.dtype == np.uint8 else values.astype(np.int32)


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _check_header(image: Image.Image, path: Path, size: tuple[int, int] | None) -> None:
    if image.mode not in _INDEX_MODES:
        raise MaskError(
            f"the mask {path} is a colour image ({image.mode}); save one class number a pixel, as a grey or palette PNG"
        )
    width, height = image.size
    if size is not None and (height, width) != size:
        raise MaskError(
            f"the mask {path} has {height} x {width} pixels, its image {size[0]} x {size[1]} (height x width); make "
            "them the same size"
        )
    if height * width > MAX_PIXELS:
        raise MaskError(f"the mask {path} has {height} x {width} pixels, more than the limit of {MAX_PIXELS}")
