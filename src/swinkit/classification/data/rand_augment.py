"""RandAugment (arXiv 1909.13719) in the form of the published recipe: timm's `rand-m9-mstd0.5-inc1`.

Fifteen operations, all of whose severities grow with the magnitude ("inc1"). Operations work on RGB PIL images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from PIL import Image, ImageEnhance, ImageOps

from swinkit.errors import InputError

MAX_MAGNITUDE = 10.0


@dataclass(frozen=True)
class RandAugment:
    """What is drawn for an image: `num_ops` operations, with replacement, each applied with `probability`.

    The magnitude of each is normal(magnitude, magnitude_std), cut to 0..10.
    """

    num_ops: int = 2
    magnitude: float = 9.0
    magnitude_std: float = 0.5
    probability: float = 0.5

    def __post_init__(self) -> None:
        if self.num_ops < 0 or not 0 <= self.probability <= 1:
            raise InputError(
                f"RandAugment with {self.num_ops} operations of probability {self.probability}; give a number of "
                "operations from 0 on and a probability from 0 to 1"
            )
        if not 0 <= self.magnitude <= MAX_MAGNITUDE or not self.magnitude_std >= 0:
            raise InputError(
                f"RandAugment with magnitude {self.magnitude} and standard deviation {self.magnitude_std}; give a "
                "magnitude from 0 to 10 and a standard deviation from 0 on"
            )


class Paint(NamedTuple):
    """How geometric operations fill new pixels (RGB, 0..255) and interpolate."""

    fill: tuple[int, int, int]
    resample: Image.Resampling


class Operation(NamedTuple):
    """`apply(image, amount, paint)`, where `amount` follows from severity (0..1) and, if signed, a sign of +-1."""

    apply: Callable[[Image.Image, float, Paint], Image.Image]
    amount: Callable[[float, int], float]


class Draw(NamedTuple):
    """One operation to apply; `sign` is 1 or -1."""

    operation: str
    magnitude: float
    sign: int


def draw_operations(augment: RandAugment) -> list[Draw]:
    """What to do to one image, from torch's global generator."""
    names = list(OPERATIONS)
    chosen = torch.randint(len(names), (augment.num_ops,)).tolist()
    applied, negative = torch.rand(2, augment.num_ops).tolist()
    noise = torch.randn(augment.num_ops).tolist()
    return [
        Draw(
            names[chosen[index]],
            min(max(augment.magnitude + augment.magnitude_std * noise[index], 0.0), MAX_MAGNITUDE),
            -1 if negative[index] < 0.5 else 1,
        )
        for index in range(augment.num_ops)
        if applied[index] < augment.probability
    ]


def apply_operation(image: Image.Image, draw: Draw, paint: Paint) -> Image.Image:
    """The image after one operation, of the same size."""
    operation = OPERATIONS[draw.operation]
    return operation.apply(image, operation.amount(draw.magnitude / MAX_MAGNITUDE, draw.sign), paint)


def _none(severity: float, sign: int) -> float:
    return 0.0


def _factor(severity: float, sign: int) -> float:
    """Enhancement factor, 1 is no change: 0.1..1.9."""
    return max(0.1, 1.0 + sign * (severity * 0.9))


def _affine(image: Image.Image, matrix: tuple[float, ...], paint: Paint) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample=paint.resample, fillcolor=paint.fill)


def _rotate(image: Image.Image, degrees: float, paint: Paint) -> Image.Image:
    return image.rotate(degrees, resample=paint.resample, fillcolor=paint.fill)


def _shear_x(image: Image.Image, factor: float, paint: Paint) -> Image.Image:
    return _affine(image, (1, factor, 0, 0, 1, 0), paint)


def _shear_y(image: Image.Image, factor: float, paint: Paint) -> Image.Image:
    return _affine(image, (1, 0, 0, factor, 1, 0), paint)


def _translate_x(image: Image.Image, part: float, paint: Paint) -> Image.Image:
    return _affine(image, (1, 0, part * image.width, 0, 1, 0), paint)


def _translate_y(image: Image.Image, part: float, paint: Paint) -> Image.Image:
    return _affine(image, (1, 0, 0, 0, 1, part * image.height), paint)


def _posterize(image: Image.Image, bits: float, paint: Paint) -> Image.Image:
    # Not ImageOps.posterize: Pillow 13 refuses the 0 bits (a black image) of magnitude 10.
    mask = 256 - (1 << (8 - int(bits)))
    return image.point([value & mask for value in range(256)] * 3)


def _solarize_add(image: Image.Image, amount: float, paint: Paint) -> Image.Image:
    lighter = [min(255, value + int(amount)) if value < 128 else value for value in range(256)]
    return image.point(lighter * 3)


OPERATIONS: dict[str, Operation] = {
    "auto_contrast": Operation(lambda image, amount, paint: ImageOps.autocontrast(image), _none),
    "equalize": Operation(lambda image, amount, paint: ImageOps.equalize(image), _none),
    "invert": Operation(lambda image, amount, paint: ImageOps.invert(image), _none),
    "rotate": Operation(_rotate, lambda severity, sign: sign * (severity * 30)),  # degrees
    "posterize": Operation(_posterize, lambda severity, sign: 4 - int(severity * 4)),  # bits kept
    "solarize": Operation(
        lambda image, amount, paint: ImageOps.solarize(image, int(amount)),
        lambda severity, sign: 256 - int(severity * 256),  # values from here on are inverted
    ),
    "solarize_add": Operation(_solarize_add, lambda severity, sign: int(severity * 110)),  # added to values below 128
    "color": Operation(lambda image, factor, paint: ImageEnhance.Color(image).enhance(factor), _factor),
    "contrast": Operation(lambda image, factor, paint: ImageEnhance.Contrast(image).enhance(factor), _factor),
    "brightness": Operation(lambda image, factor, paint: ImageEnhance.Brightness(image).enhance(factor), _factor),
    "sharpness": Operation(lambda image, factor, paint: ImageEnhance.Sharpness(image).enhance(factor), _factor),
    "shear_x": Operation(_shear_x, lambda severity, sign: sign * (severity * 0.3)),
    "shear_y": Operation(_shear_y, lambda severity, sign: sign * (severity * 0.3)),
    "translate_x": Operation(_translate_x, lambda severity, sign: sign * (severity * 0.45)),  # part of the width
    "translate_y": Operation(_translate_y, lambda severity, sign: sign * (severity * 0.45)),  # part of the height
}
