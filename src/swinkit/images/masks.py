"""One mask file, read as class numbers, or one clear sentence why not."""

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from swinkit.errors import InputError
from swinkit.images.read import MAX_PIXELS

MASK_SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff", ".gif"})
_FORMATS = ("PNG", "BMP", "TIFF", "GIF")
_INDEX_MODES = ("1", "L", "P", "I", "I;16", "I;16B")


class MaskError(InputError):
    """A mask that cannot be used; the message names the file and what is wrong with it."""


def read_mask(path: Path, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """The value of every pixel of a grey (8 or 16 bits), black-and-white or palette image, (H, W) int64.

    A palette says how a mask looks; its pixels' values are the classes. Black-and-white is 0 and 1.

    Args:
        path: the file; EXIF orientation is not applied.
        size: height and width that it must have.

    Raises:
        MaskError: naming the file, where it is missing, damaged, in colour, or of another size.
    """
    try:
        with Image.open(path, formats=_formats()) as image:
            _check_header(image, path, size)
            return np.asarray(image).astype(np.int64)
    except (MaskError, MemoryError):
        raise
    except FileNotFoundError:
        raise MaskError(f"there is no mask {path}; check the path") from None
    except Exception as error:  # decoders raise anything from SyntaxError to struct.error on broken bytes
        raise MaskError(
            f"{path} is no mask that can be read ({_first_line(error)}); save it as a grey or palette PNG"
        ) from error


def check_mask_header(path: Path, size: tuple[int, int]) -> None:
    """Raises MaskError where the file's header alone shows that `read_mask` would refuse it."""
    try:
        with Image.open(path, formats=_formats()) as image:
            _check_header(image, path, size)
    except MaskError:
        raise
    except Exception as error:
        raise MaskError(
            f"{path} is no mask that can be read ({_first_line(error)}); save it as a grey or palette PNG"
        ) from error


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


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
