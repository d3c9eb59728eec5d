"""From an image with objects to what a detector is trained and evaluated on.

A transform makes of (RGB PIL image, Instances) an image (3, h, w) uint8 and Instances at its size; normalising and
padding to a common size are the model's. All draws come from torch's global generator (`seeding` seeds it per sample).
"""

from dataclasses import dataclass, field

from PIL import Image
from torchvision.transforms.v2 import functional as F

from swinkit.detection.data.draws import happens, whole_number
from swinkit.detection.data.geometry import Sample, cut_out, jitter_colours, mirror, resize_within
from swinkit.detection.data.instaboost import InstaBoost, boosted
from swinkit.errors import InputError
from swinkit.structures import Instances

# Shape legend: h w image.

MOST_SIDE = 8192
"""Pixels of a side that images are resized to."""


@dataclass(frozen=True)
class DetectionAugmentation:
    """The published detectors' training augmentation; the defaults are the values of their code (configs/swin).

    The image is mirrored with the probability `horizontal_flip`. Then its shorter side is resized to one of
    `shorter_sides` pixels, drawn evenly, or with `shorter_side_range` to any number of pixels between its two, or less
    where the longer side would exceed `longest_side`. With the probability `crop_probability` it is first resized to
    one of `sides_before_crop` and a random part is cut out, each of whose sides is drawn between the two numbers of
    `crop_range` (DETR's policy, arXiv 2005.12872 A.4).

    The paper's text (4.2) says multi-scale training alone: crop_probability 0; for its best system "stronger
    multi-scale training" besides: shorter_side_range (400, 1400), longest_side 1600.
    """

    shorter_sides: tuple[int, ...] = tuple(range(480, 801, 32))
    longest_side: int = 1333
    horizontal_flip: float = 0.5
    crop_probability: float = 0.5
    sides_before_crop: tuple[int, ...] = (400, 500, 600)
    crop_range: tuple[int, int] = (384, 600)
    shorter_side_range: tuple[int, int] | None = None
    instaboost: InstaBoost = field(default_factory=lambda: InstaBoost(probability=0.0))
    """Comes before all else; off unless its probability is set."""

    def __post_init__(self) -> None:
        _check_sides("shorter_sides", self.shorter_sides)
        if self.shorter_side_range is not None:
            _check_range("shorter_side_range", self.shorter_side_range)
        _check_sides("sides_before_crop", self.sides_before_crop)
        _check_sides("longest_side", (self.longest_side,))
        _check_range("crop_range", self.crop_range)
        _check_probabilities(horizontal_flip=self.horizontal_flip, crop_probability=self.crop_probability)


@dataclass(frozen=True)
class SmallDetectionAugmentation:
    """For fine-tuning on own images, small ones too.

    The shorter side is resized to a number of pixels drawn between the two of `shorter_side` (equal ones: always
    that), or less where the longer side would exceed `longest_side`; the image is mirrored with the given
    probabilities; with `crop_probability` a part is cut out first, each of whose sides is at least `smallest_crop` of
    the image's; brightness, contrast and saturation change by factors within 1 +- `color_jitter` (0: off).
    """

    shorter_side: tuple[int, int] = (224, 320)
    longest_side: int = 533
    horizontal_flip: float = 0.5
    vertical_flip: float = 0.0
    crop_probability: float = 0.0
    smallest_crop: float = 0.6
    color_jitter: float = 0.0
    instaboost: InstaBoost = field(default_factory=lambda: InstaBoost(probability=0.0))
    """Comes before all else; off unless its probability is set."""

    def __post_init__(self) -> None:
        _check_range("shorter_side", self.shorter_side)
        _check_sides("longest_side", (self.longest_side,))
        _check_probabilities(
            horizontal_flip=self.horizontal_flip,
            vertical_flip=self.vertical_flip,
            crop_probability=self.crop_probability,
        )
        if not 0 < self.smallest_crop <= 1 or not 0 <= self.color_jitter < 1:
            raise InputError(
                f"augmentation with smallest_crop {self.smallest_crop} and color_jitter {self.color_jitter}; give a "
                "crop above 0 up to 1, and a jitter from 0 to below 1"
            )


@dataclass(frozen=True)
class DetectionResize:
    """Evaluation: the shorter side `shorter_side` pixels, or less where the longer would exceed `longest_side`; the
    defaults are the published (1333, 800)."""

    shorter_side: int = 800
    longest_side: int = 1333

    def __post_init__(self) -> None:
        _check_sides("shorter_side", (self.shorter_side,))
        _check_sides("longest_side", (self.longest_side,))


class DetectionTransform:
    """(RGB image, Instances) to ((3, h, w) uint8, Instances), as `DetectionAugmentation` says."""

    def __init__(self, augmentation: DetectionAugmentation) -> None:
        self.augmentation = augmentation

    def __call__(self, image: Image.Image, objects: Instances) -> Sample:
        augmentation = self.augmentation
        image, objects = boosted(image, objects, augmentation.instaboost)
        sample = F.pil_to_tensor(image), objects
        if happens(augmentation.horizontal_flip):
            sample = mirror(*sample)
        if happens(augmentation.crop_probability):
            sample = self._resized(sample, _one_of(augmentation.sides_before_crop))
            sample = _random_part(sample, augmentation.crop_range)
        if augmentation.shorter_side_range is None:
            return self._resized(sample, _one_of(augmentation.shorter_sides))
        return self._resized(sample, whole_number(*augmentation.shorter_side_range))

    def _resized(self, sample: Sample, side: int) -> Sample:
        return resize_within(*sample, shorter_side=side, longest_side=self.augmentation.longest_side)


class SmallDetectionTransform:
    """(RGB image, Instances) to ((3, h, w) uint8, Instances), as `SmallDetectionAugmentation` says."""

    def __init__(self, augmentation: SmallDetectionAugmentation) -> None:
        self.augmentation = augmentation

    def __call__(self, image: Image.Image, objects: Instances) -> Sample:
        augmentation = self.augmentation
        image, objects = boosted(image, objects, augmentation.instaboost)
        sample = F.pil_to_tensor(image), objects
        if happens(augmentation.crop_probability):
            sample = self._cropped(sample)
        side = whole_number(*augmentation.shorter_side)
        sample = resize_within(*sample, shorter_side=side, longest_side=augmentation.longest_side)
        if happens(augmentation.horizontal_flip):
            sample = mirror(*sample)
        if happens(augmentation.vertical_flip):
            sample = mirror(*sample, vertically=True)
        if augmentation.color_jitter:
            sample = jitter_colours(sample[0], augmentation.color_jitter), sample[1]
        return sample

    def _cropped(self, sample: Sample) -> Sample:
        height, width = sample[0].shape[1:]
        least = self.augmentation.smallest_crop
        return _cut(sample, *(whole_number(max(1, round(least * length)), length) for length in (height, width)))


class DetectionEvaluation:
    """(RGB image, Instances) to ((3, h, w) uint8, Instances), as `DetectionResize` says; no random draw."""

    def __init__(self, resize: DetectionResize) -> None:
        self.resize = resize

    def __call__(self, image: Image.Image, objects: Instances) -> Sample:
        return resize_within(
            F.pil_to_tensor(image),
            objects,
            shorter_side=self.resize.shorter_side,
            longest_side=self.resize.longest_side,
        )


def as_it_is(image: Image.Image, objects: Instances) -> Sample:
    """(RGB image, Instances) to ((3, h, w) uint8, Instances), nothing changed."""
    return F.pil_to_tensor(image), objects


def detection_transform(
    settings: DetectionAugmentation | SmallDetectionAugmentation | DetectionResize,
) -> DetectionTransform | SmallDetectionTransform | DetectionEvaluation:
    """The callable for `settings`."""
    match settings:
        case DetectionAugmentation():
            return DetectionTransform(settings)
        case SmallDetectionAugmentation():
            return SmallDetectionTransform(settings)
        case DetectionResize():
            return DetectionEvaluation(settings)


def _one_of(sides: tuple[int, ...]) -> int:
    return sides[whole_number(0, len(sides) - 1)]


def _random_part(sample: Sample, crop_range: tuple[int, int]) -> Sample:
    low, high = crop_range
    height, width = sample[0].shape[1:]
    return _cut(sample, *(whole_number(min(length, low), min(length, high)) for length in (height, width)))


def _cut(sample: Sample, height: int, width: int) -> Sample:
    """A part of this size at a random place."""
    top = whole_number(0, sample[0].shape[1] - height)
    left = whole_number(0, sample[0].shape[2] - width)
    return cut_out(*sample, top=top, left=left, height=height, width=width)


def _check_sides(name: str, sides: tuple[int, ...]) -> None:
    if not sides or min(sides) < 1 or max(sides) > MOST_SIDE:
        raise InputError(f"the augmentation's {name} is {sides}; give sides of 1 to {MOST_SIDE} pixels")


def _check_range(name: str, ends: tuple[int, int]) -> None:
    if len(ends) != 2 or not 1 <= ends[0] <= ends[1]:
        raise InputError(f"the augmentation's {name} is {ends}; give two ascending numbers of pixels")


def _check_probabilities(*, horizontal_flip: float, crop_probability: float, vertical_flip: float = 0.0) -> None:
    named = {"horizontal_flip": horizontal_flip, "crop_probability": crop_probability, "vertical_flip": vertical_flip}
    for name, value in named.items():
        if not 0 <= value <= 1:
            raise InputError(f"the augmentation's {name} is {value}; set it to a number from 0 to 1")
