"""Images as people give them to a predictor, made into 8-bit RGB as files are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from swinkit.errors import InputError
from swinkit.images.read import read_image, to_rgb

GivenImage = Path | str | bytes | Image.Image | np.ndarray | Tensor
"""A path, the bytes of a file, a PIL image, an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W); arrays and
tensors hold whole numbers 0..255 (16-bit: 0..65535) or floating-point numbers 0..1."""


def given_images(images: GivenImage | Sequence[GivenImage]) -> tuple[list[Image.Image], bool]:
    """One image or many as upright 8-bit RGB, and whether it was one.

    An array or tensor of four dimensions is a batch. EXIF orientation, transparency, grey and 16-bit images are
    handled as in `read_image`.

    Raises InputError where something is no image.
    """
    if isinstance(images, (np.ndarray, Tensor)) and images.ndim == 4:
        return [given_image(image) for image in images], False
    if isinstance(images, (Path, str, bytes, Image.Image, np.ndarray, Tensor)):
        return [given_image(images)], True
    if not isinstance(images, Iterable):
        raise _no_image(images)
    return [given_image(image) for image in images], False


def given_image(image: GivenImage) -> Image.Image:
    """One image as upright 8-bit RGB, see `given_images`."""
    if isinstance(image, (Path, str)):
        return read_image(Path(image))
    if isinstance(image, bytes):
        return read_image(image, name="the image")
    if isinstance(image, Image.Image):
        return to_rgb(image, "the image")
    if isinstance(image, Tensor):
        return to_rgb(_from_array(_channels_last(image)), "the tensor")
    if isinstance(image, np.ndarray):
        return to_rgb(_from_array(image), "the array")
    raise _no_image(image)


def _no_image(image: object) -> InputError:
    return InputError(f"an image is a path, bytes, a PIL image, an array or a tensor, not {type(image).__name__}")


def _channels_last(tensor: Tensor) -> np.ndarray:
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3, 4):
        raise InputError(f"an image's tensor should be (3, H, W), not {tuple(tensor.shape)}")
    if tensor.is_floating_point():
        tensor = tensor.float()  # NumPy has no bfloat16
    return tensor.detach().cpu().permute(1, 2, 0).numpy()


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or 0 in array.shape:
        raise InputError(f"an image's array should be (H, W), (H, W, 3) or (H, W, 4), not {array.shape}")
    if array.dtype.kind not in "buif":
        raise InputError(f"an image's array should hold numbers, not {array.dtype}")
    if array.dtype == bool:
        array = array * np.uint8(255)
    if np.issubdtype(array.dtype, np.floating):
        array = _from_shares(array)
    if array.dtype == np.uint16 and array.ndim == 3:
        array = ((array.astype(np.int64) + 128) // 257).astype(np.uint8)
    if array.dtype not in (np.uint8, np.uint16):
        low, high = (array.min(), array.max())
        if low < 0 or high > 255:
            raise InputError(f"an image's whole numbers should be 0..255, not {low}..{high}")
        array = array.astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array))


def _from_shares(array: np.ndarray) -> np.ndarray:
    low, high = float(array.min()), float(array.max())
    if not 0 <= low <= high <= 1:
        raise InputError(f"an image's floating-point numbers should be 0..1, not {low:g}..{high:g}; divide by 255")
    return np.rint(array * 255).astype(np.uint8)
