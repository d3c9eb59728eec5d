"""One mask file, read as class numbers, or one clear sentence why not."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from swinkit.errors import InputError, border
from swinkit.files import require_regular
from swinkit.images.read import MAX_PIXELS
from swinkit.ops.labels import IGNORE

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
            require_regular(path)
            image = Image.open(path, formats=_formats())
        except FileNotFoundError:
            raise MaskError(f"there is no mask {path}; check the path") from None
        except InputError as error:
            raise MaskError(error) from None
        with image:
            yield image


def _values(image: Image.Image) -> np.ndarray:
    """The pixels in the smallest type that holds them: large masks would take eight times their size as int64."""
    values = np.asarray(image)
    if values.dtype == bool:
        return values.astype(np.uint8)
    return values if values.dtype == np.uint8 else values.astype(np.int32)


def as_labels(values: np.ndarray, num_classes: int, *, reduce_zero_label: bool, name: str) -> np.ndarray:
    """Values of a mask as labels, (H, W) uint8: 0..K-1, and 255 for pixels to ignore.

    With `reduce_zero_label`, as for ADE20K, 0 is ignored and 1..K become 0..K-1; else values are labels. 255 is ignored
    either way.

    Raises MaskError, naming the mask, where a value is no label.
    """
    first = 1 if reduce_zero_label else 0
    last = num_classes - 1 + first
    allowed = (values <= last) | (values == IGNORE)
    if values.dtype != np.uint8:
        allowed &= values >= 0
    if not allowed.all():
        outside = values[~allowed]
        is_one_more = not reduce_zero_label and ((outside >= 0) & (outside <= num_classes)).all()
        raise MaskError(
            f"the mask {name} has the value {int(outside[0])}, but {num_classes} classes have the values "
            f"{first} to {last} (and {IGNORE} is ignored); correct the mask or the list of classes"
            f"{', or give --reduce-zero-label, if 0 is no class' if is_one_more else ''}"
        )
    labels = values.astype(np.uint8)
    return np.where((labels == 0) | (labels == IGNORE), np.uint8(IGNORE), labels - first) if first else labels


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
