"""From an image to the tensor a model is trained on, by random draws.

Unlike evaluation, training normalises here and not beside the model: random erasing puts noise into the normalised
image, and its draws belong to the sample, as all others do.

All draws come from torch's global generator (`seeding.SeededView` seeds it per sample).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from swinkit.classification.data.preprocessing import (
    MEAN,
    STD,
    EvalPreprocessing,
    Interpolation,
    check_normalisation,
    eval_transform,
    height_width,
    normalisation,
)
from swinkit.classification.data.rand_augment import Paint, RandAugment, apply_operation, draw_operations
from swinkit.errors import InputError
from swinkit.layers.pixels import Triple

# Shape legend: H W image.


@dataclass(frozen=True)
class TrainAugmentation:
    """The published recipe's augmentation; the defaults are its values (paper A2.1, official config.py).

    A random part of the image (`scale` of its area, width : height in `ratio`) is resized to `image_size` (height,
    width, or one number for both), flipped with the given probabilities, and changed by `rand_augment`, or where that
    is None by `color_jitter` (brightness, contrast and saturation each by a factor within 1 +- color_jitter, in random
    order; 0 is off). Of the normalised image, with `erase_probability`, a rectangle of 2 to 33 % becomes normal noise
    (random erasing, arXiv 1708.04896, pixel mode).
    """

    image_size: int | tuple[int, int] = 224
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    horizontal_flip: float = 0.5
    vertical_flip: float = 0.0
    color_jitter: float = 0.4
    rand_augment: RandAugment | None = field(default_factory=RandAugment)
    erase_probability: float = 0.25
    interpolation: Interpolation = "bicubic"
    mean: Triple = MEAN
    std: Triple = STD

    def __post_init__(self) -> None:
        height_width(self.image_size)
        check_normalisation(self.mean, self.std)
        for name in ("horizontal_flip", "vertical_flip", "erase_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"the augmentation's {name} is {getattr(self, name)}; set it to a number from 0 to 1")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise InputError(f"the crop's scale is {self.scale}; give two ascending parts of the area, up to 1")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise InputError(f"the crop's ratio is {self.ratio}; give two ascending ratios of width to height")
        if self.color_jitter < 0:
            raise InputError(f"the colour jitter is {self.color_jitter}; set it to 0 (off) or more")


@dataclass(frozen=True)
class SmallImageAugmentation:
    """For small images whose every pixel counts, such as digits: nothing is cut out, the whole image moves a little.

    The image is resized to `image_size` if it has another one, then rotated by up to `rotation` degrees, scaled by a
    factor within 1 +- `zoom` and shifted by up to `shift` pixels in either direction, each drawn uniformly; new pixels
    have the grey value `fill` (0..255).
    """

    image_size: int | tuple[int, int] = 16
    shift: float = 1.0
    rotation: float = 10.0
    zoom: float = 0.1
    fill: int = 0
    interpolation: Interpolation = "bilinear"
    mean: Triple = MEAN
    std: Triple = STD

    def __post_init__(self) -> None:
        height_width(self.image_size)
        check_normalisation(self.mean, self.std)
        if self.shift < 0 or self.rotation < 0 or not 0 <= self.zoom < 1 or not 0 <= self.fill <= 255:
            raise InputError(
                f"small-image augmentation with shift {self.shift}, rotation {self.rotation}, zoom {self.zoom}, fill "
                f"{self.fill}; give a shift and a rotation from 0 on, a zoom from 0 to below 1, a fill from 0 to 255"
            )


def train_transform(augmentation: TrainAugmentation | SmallImageAugmentation) -> Callable[[Image.Image], Tensor]:
    """The callable for `augmentation`: RGB PIL image of any size to float32 (3, H, W), normalised."""
    if isinstance(augmentation, SmallImageAugmentation):
        return SmallImageTransform(augmentation)
    return TrainTransform(augmentation)


class StillTransform:
    """An image as evaluation shows it, normalised: no random draw."""

    def __init__(self, preprocessing: EvalPreprocessing) -> None:
        self._shown = eval_transform(preprocessing)
        self._normalise = preprocessing.normalisation()

    def __call__(self, image: Image.Image) -> Tensor:
        return self._normalise(self._shown(image))


class TrainTransform:
    """Crop, flip, RandAugment or colour jitter, normalise, erase, as `TrainAugmentation` says."""

    def __init__(self, augmentation: TrainAugmentation) -> None:
        self.augmentation = augmentation
        self._geometry = v2.Compose(
            [
                v2.RandomResizedCrop(
                    height_width(augmentation.image_size),
                    scale=augmentation.scale,
                    ratio=augmentation.ratio,
                    interpolation=InterpolationMode(augmentation.interpolation),
                ),
                v2.RandomHorizontalFlip(augmentation.horizontal_flip),
                v2.RandomVerticalFlip(augmentation.vertical_flip),
            ]
        )
        self._jitter = v2.ColorJitter(*[augmentation.color_jitter] * 3)
        # timm's pixel mode exactly: area 0.02 to 1/3, aspect 0.3 to 1/0.3, one box, noise in normalised units.
        self._erase = v2.RandomErasing(
            augmentation.erase_probability, scale=(0.02, 1 / 3), ratio=(0.3, 1 / 0.3), value="random", inplace=True
        )
        self._normalise = normalisation(augmentation.mean, augmentation.std)
        self._paint = Paint(_rounded(augmentation.mean), Image.Resampling[augmentation.interpolation.upper()])

    def __call__(self, image: Image.Image) -> Tensor:
        augmentation = self.augmentation
        image = self._geometry(image)
        if augmentation.rand_augment is not None:
            for draw in draw_operations(augmentation.rand_augment):
                image = apply_operation(image, draw, self._paint)
        elif augmentation.color_jitter:
            image = self._jitter(image)
        return self._erase(self._normalise(F.pil_to_tensor(image)))


class SmallImageTransform:
    """Resize, move, normalise, as `SmallImageAugmentation` says."""

    def __init__(self, augmentation: SmallImageAugmentation) -> None:
        self.augmentation = augmentation
        self._resample = Image.Resampling[augmentation.interpolation.upper()]
        self._normalise = normalisation(augmentation.mean, augmentation.std)

    def __call__(self, image: Image.Image) -> Tensor:
        augmentation = self.augmentation
        height, width = height_width(augmentation.image_size)
        if image.size != (width, height):
            image = image.resize((width, height), self._resample)
        angle, zoom, *shift = (2 * torch.rand(4) - 1).tolist()
        matrix = _movement(
            math.radians(angle * augmentation.rotation),
            1 + zoom * augmentation.zoom,
            shift=(shift[0] * augmentation.shift, shift[1] * augmentation.shift),
            centre=(width / 2, height / 2),
        )
        fill = (augmentation.fill,) * 3
        image = image.transform(image.size, Image.Transform.AFFINE, matrix, resample=self._resample, fillcolor=fill)
        return self._normalise(F.pil_to_tensor(image))


def _movement(
    angle: float, zoom: float, *, shift: tuple[float, float], centre: tuple[float, float]
) -> tuple[float, ...]:
    """Pillow's affine matrix, which maps (x, y) of the result to the source: rotate and zoom about `centre`, shift."""
    a, b = math.cos(angle) / zoom, math.sin(angle) / zoom
    x, y = centre[0] + shift[0], centre[1] + shift[1]
    return (a, b, centre[0] - a * x - b * y, -b, a, centre[1] + b * x - a * y)


def _rounded(mean: Triple) -> tuple[int, int, int]:
    red, green, blue = (min(255, round(255 * value)) for value in mean)
    return red, green, blue
