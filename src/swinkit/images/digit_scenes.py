"""Embedded scenes to segment and detect in: scikit-learn's real handwritten digits in its two real photographs.

Digits are scaled, coloured and blended into crops of the photographs; boxes, instance masks and semantic masks follow
from the blend. No download. Training and validation share no digit image and no part of a photograph.

Shapes: N digits, H W scene.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from PIL import Image

from swinkit.errors import InputError
from swinkit.images.digits import open_digits
from swinkit.structures import Instances
from swinkit.training.data.seeding import derive_seed

Part = Literal["train", "val"]

DIGITS = tuple("0123456789")
SEMANTIC_CLASSES = ("background", *DIGITS)

_VALIDATION_COLUMNS = 0.7
"""Training scenes come from the photographs' columns left of this share, validation scenes from those right of it."""
_DIMMED = 0.6
"""The photographs' brightness, so that any ink can be brighter."""
_CONTRAST = 80.0
"""How much brighter ink is at least than what lies below, of 0..255."""
_INK = 0.4
"""A pixel belongs to a digit where its ink covers at least this share of what lies below."""
_VISIBLE = 0.8
"""A digit is not placed where it would leave less than this share of what is to be seen of an earlier one."""
_TRIES = 20


@dataclass(frozen=True)
class SceneSettings:
    """What the scenes are like.

    Raises InputError where the values do not fit together.
    """

    size: int = 96
    """Height and width of a scene, in pixels."""
    digits: tuple[int, int] = (1, 5)
    """Fewest and most digits in a scene."""
    side: tuple[int, int] = (20, 40)
    """Smallest and largest side of the square that a digit's 8 x 8 pixels are scaled to, in pixels."""
    train_scenes: int = 4000
    val_scenes: int = 200
    seed: int = 0
    """Decides every scene; another seed makes others of the same digits and photographs."""

    def __post_init__(self) -> None:
        if not 8 <= self.side[0] <= self.side[1] <= self.size or not 0 <= self.digits[0] <= self.digits[1]:
            raise InputError(
                f"scenes of {self.size} pixels with {self.digits} digits of {self.side} pixels are not possible: sides "
                "must ascend between 8 and the scene's size, numbers of digits from 0"
            )
        if self.digits[1] > 1000 or max(self.train_scenes, self.val_scenes) > 10**7:
            raise InputError(f"scenes have up to 1000 digits, and there are up to 10,000,000 of them, not {self}")
        if self.size > 160 or min(self.train_scenes, self.val_scenes) < 1:
            raise InputError(
                f"scenes can have up to 160 pixels a side (here {self.size}), as the photographs are small, and there "
                f"must be at least one to train and one to validate on (here {self.train_scenes}, {self.val_scenes})"
            )


class Scene(NamedTuple):
    """One scene with all that is known about it."""

    image: Image.Image
    instances: Instances
    """Labels are the digits 0..9; masks are what can be seen of each."""
    semantic: np.ndarray
    """(H, W) uint8: 0 background, 1..10 the digits 0..9."""


class DigitScenes:
    """Scenes of one part, made when they are asked for: number `index` is always the same.

    Args:
        settings: what they are like.
        part: which.
        numbers: those of all scenes of this part that these are, in this order. Default: all.
    """

    def __init__(self, settings: SceneSettings, part: Part, numbers: Sequence[int] | None = None) -> None:
        self.settings = settings
        self.part = part
        count = settings.train_scenes if part == "train" else settings.val_scenes
        self.numbers: Sequence[int] = range(count) if numbers is None else numbers
        digits = open_digits(magnification=1)[part == "val"]
        self._ink = np.stack([np.asarray(digits[index][0])[:, :, 0] for index in range(len(digits))])  # (M, 8, 8)
        self._labels = digits.labels
        self._photographs = _photographs(part)

    def __len__(self) -> int:
        return len(self.numbers)

    def subset(self, indices: Sequence[int]) -> Self:
        """The scenes at `indices`, in that order."""
        return type(self)(self.settings, self.part, [self.numbers[index] for index in indices])

    def scene(self, index: int) -> Scene:
        """Scene `index`, 0 <= index < len(self)."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        settings = self.settings
        number = self.numbers[index]
        draw = np.random.default_rng(derive_seed(f"digit scene {self.part}", settings.seed, number))
        pixels = self._background(draw)
        instances = np.zeros((settings.size, settings.size), dtype=np.int64)  # 0 background, n the n-th digit
        labels: list[int] = []
        for _ in range(draw.integers(settings.digits[0], settings.digits[1] + 1)):
            label = self._place(draw, pixels, instances, len(labels) + 1)
            if label is not None:
                labels.append(label)
        return _scene(pixels, instances, labels)

    def _background(self, draw: np.random.Generator) -> np.ndarray:
        """A random square of a photograph, up to 1.6 times the scene, then reduced, and dimmed: (H, W, 3)."""
        size = self.settings.size
        photograph = self._photographs[draw.integers(len(self._photographs))]
        side = int(draw.integers(size, min(int(1.6 * size), *photograph.shape[:2]) + 1))
        top, left = (int(draw.integers(0, length - side + 1)) for length in photograph.shape[:2])
        crop = Image.fromarray(photograph[top : top + side, left : left + side])
        if draw.random() < 0.5:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return _DIMMED * np.asarray(crop.resize((size, size), Image.Resampling.BILINEAR)).astype(np.float64)

    def _place(self, draw: np.random.Generator, pixels: np.ndarray, instances: np.ndarray, number: int) -> int | None:
        """Blend a random digit in and mark its pixels with `number`; its label, or None where it finds no room."""
        chosen = int(draw.integers(len(self._labels)))
        side = int(draw.integers(self.settings.side[0], self.settings.side[1] + 1))
        cover = Image.fromarray(self._ink[chosen]).resize((side, side), Image.Resampling.BICUBIC)
        share = np.asarray(cover).astype(np.float64)[:, :, None] / 255  # (side, side, 1)
        inked = share[:, :, 0] >= _INK
        for _ in range(_TRIES):
            top, left = (int(value) for value in draw.integers(0, self.settings.size - side + 1, 2))
            area = (slice(top, top + side), slice(left, left + side))
            if _leaves_enough(instances, area, inked):
                colour = _colour(draw, pixels[area][inked].mean(0))
                pixels[area] = pixels[area] * (1 - share) + colour * share
                instances[area][inked] = number
                return int(self._labels[chosen])
        return None


def scene_name(scenes: DigitScenes, index: int) -> str:
    """`digit_scenes/val/0007`."""
    return f"digit_scenes/{scenes.part}/{scenes.numbers[index]:04d}"


def _photographs(part: Part) -> list[np.ndarray]:
    """This part's columns of scikit-learn's two photographs, (427, W, 3) uint8 each."""
    parts = []
    for photograph in photographs():
        edge = int(_VALIDATION_COLUMNS * photograph.shape[1])
        parts.append(photograph[:, :edge] if part == "train" else photograph[:, edge:])
    return parts


@functools.cache
def photographs() -> tuple[np.ndarray, ...]:
    """scikit-learn's two photographs, a temple and a flower, (427, 640, 3) uint8 each."""
    from sklearn.datasets import load_sample_images  # slow to import, and nothing else here needs it

    return tuple(load_sample_images().images)


def _leaves_enough(instances: np.ndarray, area: tuple[slice, slice], inked: np.ndarray) -> bool:
    covered = instances[area][inked]
    return all(
        (covered == number).sum() <= (1 - _VISIBLE) * (instances == number).sum()
        for number in np.unique(covered[covered > 0])
    )


def _colour(draw: np.random.Generator, below: np.ndarray) -> np.ndarray:
    """A random RGB colour, 0..255, brighter than what lies `below` by at least `_CONTRAST`."""
    weights = np.array([0.299, 0.587, 0.114])
    for _ in range(100):
        colour = draw.uniform(0, 255, 3)
        if weights @ (colour - below) >= _CONTRAST:
            return colour
    return np.full(3, 255.0)


def _scene(pixels: np.ndarray, instances: np.ndarray, labels: list[int]) -> Scene:
    """Masks, boxes and the semantic map from the numbered pixels."""
    masks = torch.from_numpy(instances[None] == np.arange(1, len(labels) + 1)[:, None, None])  # (N, H, W)
    boxes = [[*_extent(mask.any(0)), *_extent(mask.any(1))] for mask in masks]
    corners = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)[:, [0, 2, 1, 3]]
    semantic = np.array([0, *(label + 1 for label in labels)], dtype=np.uint8)[instances]
    image = Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8))
    return Scene(image, Instances(corners, torch.tensor(labels, dtype=torch.int64), masks), semantic)


def _extent(line: torch.Tensor) -> tuple[int, int]:
    """First True, and one past the last."""
    places = line.nonzero()
    return int(places[0]), int(places[-1]) + 1
