"""One mask file, read as class numbers, or one clear sentence why not."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from swinkit.errors import InputError
from swinkit.images.read import MAX_PIXELS
from swinkit.ops.labels import IGNORE

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


def as_labels(
    values: np.ndarray,
    num_classes: int,
    *,
    reduce_zero_label: bool,
    name: str,
    mask_values: Sequence[int] | None = None,
) -> np.ndarray:
    """Values of a mask as labels, (H, W) uint8: 0..K-1, and 255 for pixels to ignore.

    With `reduce_zero_label`, as for ADE20K, 0 is ignored and 1..K become 0..K-1; else values are labels. 255 is ignored
    either way, unless it is one of `mask_values`, which names the value of each class in their order.

    Raises MaskError, naming the mask, where a value is no label.
    """
    if mask_values is not None:
        return _named_values(values, mask_values, name)
    first = 1 if reduce_zero_label else 0
    ignored = values == IGNORE
    if reduce_zero_label:
        ignored |= values == 0
    labels = np.where(ignored, IGNORE, values - first)
    outside = labels[(labels < 0) | ((labels >= num_classes) & ~ignored)]
    if outside.size:
        is_one_more = not reduce_zero_label and (labels[~ignored] <= num_classes).all()
        raise MaskError(
            f"the mask {name} has the value {int(outside[0]) + first}, but {num_classes} classes have the values "
            f"{first} to {num_classes - 1 + first} (and {IGNORE} is ignored); correct the mask or the list of classes"
            f"{', or give --reduce-zero-label, if 0 is no class' if is_one_more else ''}"
        )
    return labels.astype(np.uint8)


def check_mask_values(mask_values: Sequence[int], classes: Sequence[str], *, reduce_zero_label: bool) -> None:
    """Raises InputError where the values are not one for each class, all different, or go with `reduce_zero_label`."""
    if reduce_zero_label:
        raise InputError("--mask-values and --reduce-zero-label both say which value is which class; give one of them")
    if len(mask_values) != len(classes) or len(set(mask_values)) < len(classes) or min(mask_values) < 0:
        raise InputError(
            f"--mask-values must be {len(classes)} different whole numbers from 0 on, one for each class "
            f"({', '.join(classes[:5])}{', ...' if len(classes) > 5 else ''}), not {' '.join(map(str, mask_values))}"
        )


def _named_values(values: np.ndarray, mask_values: Sequence[int], name: str) -> np.ndarray:
    labels = np.full(values.shape, IGNORE, dtype=np.uint8)
    known = values == IGNORE
    for label, value in enumerate(mask_values):
        labels[values == value] = label
        known |= values == value
    if not known.all():
        raise MaskError(
            f"the mask {name} has the value {int(values[~known][0])}, which is none of the --mask-values "
            f"{' '.join(map(str, mask_values))} (and {IGNORE} is ignored); correct the mask or the values"
        )
    return labels


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
