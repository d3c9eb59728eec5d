"""From an image to the tensor a model is evaluated on."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from swinkit.errors import InputError
from swinkit.layers.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelNormalisation, Triple
from swinkit.structures import Views

# Shape legend: H W image, V views of it.

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


def as_shares(triple: Triple) -> Triple:
    """Values 0..255 of red, green and blue as shares of 255, as recipes and files of classifiers have them."""
    red, green, blue = (round(value / 255, 6) for value in triple)
    return red, green, blue


MEAN, STD = as_shares(IMAGENET_MEAN), as_shares(IMAGENET_STD)

MOST_SIDE = 2560
"""Pixels of an image that a classifier is shown."""

# Beyond this ratio of its sides an image is cut to its middle before it is resized (see EvalTransform).
_MAX_ASPECT = 16


@dataclass(frozen=True)
class EvalPreprocessing:
    """How an image becomes a model's input; plain values, to be stored beside the weights.

    The image is resized so that its shorter side is `shorter_side` pixels and the middle `image_size` (height, width,
    or one number for both) is cut out. With `shorter_side=None` it is resized to `image_size` straight away, whatever
    its aspect ratio (the official TEST.CROP False). `mean` and `std` are per RGB channel of values in 0..1.

    Raises InputError on a size below 1, or a shorter side below the size to cut out.
    """

    image_size: int | tuple[int, int] = 224
    shorter_side: int | None = 256
    interpolation: Interpolation = "bicubic"
    mean: Triple = MEAN
    std: Triple = STD

    def __post_init__(self) -> None:
        largest = max(height_width(self.image_size))
        if max(largest, self.shorter_side or 0) > MOST_SIDE:
            raise InputError(
                f"images of {largest} pixels, resized to {self.shorter_side}, are too large for a classifier; both "
                f"must be at most {MOST_SIDE}"
            )
        if self.shorter_side is not None and self.shorter_side < largest:
            raise InputError(
                f"the image is resized to a shorter side of {self.shorter_side} pixels, too few to cut out "
                f"{largest}; set shorter_side to {largest} or more, or to None to resize without cutting"
            )
        check_normalisation(self.mean, self.std)

    def normalisation(self) -> PixelNormalisation:
        """What the transformed image goes through next, beside the model."""
        return normalisation(self.mean, self.std)


def published_preprocessing(image_size: int, *, crop: bool = True) -> EvalPreprocessing:
    """The official code's evaluation: shorter side int(256 / 224 * image_size) and the middle cut out (TEST.CROP True),
    or the whole image squeezed into image_size (False: the fine-tuning at 384). Bicubic, ImageNet mean."""
    return EvalPreprocessing(image_size, shorter_side=int(256 / 224 * image_size) if crop else None)


def eval_transform(preprocessing: EvalPreprocessing) -> "EvalTransform":
    """The callable for `preprocessing`: RGB PIL image of any size to uint8 (3, H, W), 0..255."""
    return EvalTransform(preprocessing)


class EvalTransform:
    """Resize and cut out the middle; no random draw.

    An image more than 16 times as long as wide is first cut to its middle: the rest would be cut away anyway, and
    resizing all of it (1 x 20000 pixels, say) could fill the memory.
    """

    def __init__(self, preprocessing: EvalPreprocessing) -> None:
        self.preprocessing = preprocessing
        self._size = height_width(preprocessing.image_size)
        self._interpolation = InterpolationMode(preprocessing.interpolation)

    def __call__(self, image: Image.Image) -> Tensor:
        return F.pil_to_tensor(self.framed(image))

    def framed(self, image: Image.Image) -> Image.Image:
        """What the model sees, still an image: for pictures of predictions."""
        shorter_side = self.preprocessing.shorter_side
        if shorter_side is None:
            return F.resize(image, list(self._size), self._interpolation)
        width, height = image.size
        limit = _MAX_ASPECT * min(width, height)
        if max(width, height) > limit:
            image = F.center_crop(image, [min(height, limit), min(width, limit)])
        return F.center_crop(F.resize(image, [shorter_side], self._interpolation), list(self._size))

    def seen(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, in its own pixels, of the part of an image of this size that is shown."""
        shorter_side = self.preprocessing.shorter_side
        if shorter_side is None:
            return 0.0, 0.0, float(width), float(height)
        limit = _MAX_ASPECT * min(width, height)
        kept = (min(width, limit), min(height, limit))
        shorter = min(kept)
        parts = []
        for whole, side, wanted in zip((width, height), kept, self._size[::-1], strict=True):
            resized = int(shorter_side * side / shorter)
            first = round((whole - side) / 2) + round((resized - wanted) / 2) * side / resized
            parts.append((first, first + wanted * side / resized))
        (left, right), (top, bottom) = parts
        return left, top, right, bottom


class ViewsTransform:
    """RGB image of any size to uint8 (V, 3, H, W), 0..255: its middle at several scales, mirrored, too, where it is so.

    Raises InputError where a scale leaves too little to cut out, or there is a longest side.
    """

    def __init__(self, preprocessing: EvalPreprocessing, views: Views) -> None:
        if views.longest_side is not None:
            raise InputError("a classifier sees the middle of an image, whose longest side says nothing; leave it out")
        shown = [replace(preprocessing, shorter_side=side) for side in views.scales] or [preprocessing]
        self.transforms = [EvalTransform(each) for each in shown]
        self.flip = views.flip

    def __call__(self, image: Image.Image) -> Tensor:
        shown = [transform(image) for transform in self.transforms]
        return torch.stack([*shown, *(each.flip(2) for each in shown)] if self.flip else shown)


def normalisation(mean: Triple, std: Triple) -> PixelNormalisation:
    """The module that normalises images 0..255 by a mean and a standard deviation that are shares of 255."""
    return PixelNormalisation(_times_255(mean), _times_255(std))


def _times_255(triple: Triple) -> Triple:
    red, green, blue = (255 * value for value in triple)
    return red, green, blue


def height_width(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a size given as one number or two. Raises InputError if one is below 1."""
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise InputError(f"the image size is {height} x {width}: both sides must be 1 pixel or more")
    return height, width


def check_normalisation(mean: Triple, std: Triple) -> None:
    """Raises InputError unless `mean` lies in 0..1 and `std` above 0."""
    if not all(0 <= value <= 1 for value in mean) or not all(value > 0 for value in std):
        raise InputError(f"normalising with mean {mean} and std {std}; give them for pixel values in 0..1, std above 0")
