"""InstaBoost (arXiv 1908.07801): objects are cut out, their places painted over, and they are pasted near by.

After the authors' package (instaboostfast 0.1.2, without matting). Other than there, a rim around the objects is
painted over, too, pixels at an object's edge are interpolated with its surroundings and not with black, overshooting
values stop at 0 and 255, and objects keep their order. The semantic map stays as it was, as in all published code.

Shapes: N objects, H W image, h w part of it.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageEnhance
from scipy.sparse.csgraph import connected_components
from torch.utils.data import get_worker_info

from swinkit.detection.data.draws import happens, number, whole_number
from swinkit.detection.data.heat_map import drawn_place
from swinkit.errors import InputError
from swinkit.structures import Instances

NEAR = 10
"""Pixels: objects nearer to a side of the image may be cut off by it, and keep their connection to it."""
FILL_RADIUS = 5
"""Of the surroundings that a place is painted over from, in pixels."""

RIM = 2
"""Pixels around an object that are painted over with it: outlines often leave the last ones of it out, and these would
be smeared over its place. The authors' package has none."""

MOVE, MIRROR, SKIP = range(3)
"""Numbers of the actions."""


@dataclass(frozen=True)
class InstaBoost:
    """How objects are moved; the defaults are the authors'. Objects whose boxes overlap move together."""

    probability: float = 0.5
    """Share of the images that are changed, 0..1; 0 turns it off."""
    actions: tuple[float, float, float] = (1.0, 0.0, 0.0)
    """How likely a group is moved, mirrored and moved, or left where it is."""
    scale: tuple[float, float] = (0.8, 1.2)
    """Its size is multiplied by a number between these two."""
    dx: float = 15.0
    """It moves by up to its width / dx to either side; likewise dy."""
    dy: float = 15.0
    rotation: tuple[int, int] = (-1, 1)
    """It turns by a whole number of degrees from this range."""
    color_probability: float = 0.5
    """Share of these images whose saturation, brightness, contrast and sharpness change, strongly."""
    heat_map: bool = False
    """Move to where the surroundings look like those at the old place instead, anywhere in the image; slow."""

    def __post_init__(self) -> None:
        if not all(0 <= each <= 1 for each in (self.probability, self.color_probability)):
            raise InputError(
                f"InstaBoost with the probabilities {self.probability} and {self.color_probability}; set them to "
                "numbers from 0 to 1"
            )
        if len(self.actions) != 3 or min(self.actions) < 0 or not sum(self.actions):
            raise InputError(f"InstaBoost's actions are {self.actions}; give three shares of 0 or more, not all 0")
        if not 0 < self.scale[0] <= self.scale[1] or min(self.dx, self.dy) <= 0 or self.rotation[0] > self.rotation[1]:
            raise InputError(
                f"InstaBoost with scale {self.scale}, dx {self.dx}, dy {self.dy} and rotation {self.rotation}; give "
                "ascending pairs, and sizes above 0"
            )


def check_instaboost(settings: InstaBoost, *, has_masks: bool) -> None:
    """Raises InputError where it is on and the objects have no masks or OpenCV is not installed."""
    if settings.probability:
        require_opencv()
        if not has_masks:
            raise InputError(
                "InstaBoost moves objects by their masks, and these data have boxes alone; turn it off with "
                "--augmentation.instaboost.probability 0"
            )


def require_opencv() -> Any:
    """OpenCV, which paints over where objects were; in workers with a single thread, as they share the cores.

    Raises InputError, naming what to install, where it is missing.
    """
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError:
        raise InputError(
            "InstaBoost needs OpenCV, which is not installed: pip install 'swinkit[instaboost]', or turn it off with "
            "--augmentation.instaboost.probability 0"
        ) from None
    if get_worker_info() is not None:
        cv2.setNumThreads(1)
    return cv2


def boosted(image: Image.Image, objects: Instances, settings: InstaBoost) -> tuple[Image.Image, Instances]:
    """The image with its objects moved, and these with new masks, and boxes around them.

    Objects of which nothing is left in the image are dropped; what a moved object covers of another one stays in the
    other's mask, as in the authors' package.

    Args:
        image: RGB.
        objects: with masks.
        settings: how they move.

    Raises:
        InputError: where there are no masks, or OpenCV is not installed.
    """
    if not settings.probability or not happens(settings.probability):
        return image, objects
    check_instaboost(settings, has_masks=objects.masks is not None)
    assert objects.masks is not None
    masks = objects.masks.numpy()
    if masks.any() and not masks.any(0).all():  # else there is nothing to move, or to paint over from
        pixels, masks = _moved(np.asarray(image), masks, settings)
        image, objects = Image.fromarray(pixels), _with_masks(objects, masks)
    return (_recoloured(image) if happens(settings.color_probability) else image), objects


class _Box(NamedTuple):
    """In whole pixels; right and bottom lie outside."""

    left: int
    top: int
    right: int
    bottom: int


class _Motion(NamedTuple):
    """Where the pixels of a group go: mirrored, scaled and turned around the centre of its box, then moved."""

    mirrored: bool
    scale: float
    degrees: int
    right: int
    down: int

    def window(self, box: _Box, shape: tuple[int, ...]) -> _Box:
        """The part of the image that holds them afterwards, with a margin for interpolation."""
        width, height = box.right - box.left, box.bottom - box.top
        turn = math.radians(abs(self.degrees))
        across = self.scale * (width * math.cos(turn) + height * math.sin(turn)) / 2 + 3
        along = self.scale * (height * math.cos(turn) + width * math.sin(turn)) / 2 + 3
        x, y = (box.left + box.right) / 2 + self.right, (box.top + box.bottom) / 2 + self.down
        left, right = (min(max(math.floor(each), 0), shape[1]) for each in (x - across, x + across))
        top, bottom = (min(max(math.floor(each), 0), shape[0]) for each in (y - along, y + along))
        return _Box(left, top, right, bottom)

    def sources(self, box: _Box, window: _Box) -> np.ndarray:
        """(2, 3) float64: takes a pixel (x, y) of the window to where it comes from in the image."""
        turn, mirror = math.radians(self.degrees), -1 if self.mirrored else 1
        cosine, sine = math.cos(turn) / self.scale, math.sin(turn) / self.scale
        linear = np.array([[mirror * cosine, mirror * sine], [-sine, cosine]])
        centre = np.array([box.left + box.right - 1, box.top + box.bottom - 1]) / 2
        moved = centre + np.array([self.right - window.left, self.down - window.top])
        return np.concatenate([linear, (centre - linear @ moved)[:, None]], 1)


def _moved(pixels: np.ndarray, masks: np.ndarray, settings: InstaBoost) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (H, W, 3) uint8 and masks (N, H, W) bool with every group moved."""
    groups = [(members, masks[members].any(0)) for members in _groups(masks)]
    motions = [_drawn(_extent(cover), cover.shape, settings) for _, cover in groups]
    moving = [(*group, motion) for group, motion in zip(groups, motions, strict=True) if motion is not None]
    result, new_masks = _without(pixels, [cover for _, cover, _ in moving]), masks.copy()
    for members, cover, motion in moving:
        box = _extent(cover)
        if settings.heat_map and not any(_near(box, cover.shape)):
            right, down = drawn_place(pixels, result, cover)
            motion = motion._replace(right=right, down=down)
        window = motion.window(box, cover.shape)
        place = slice(window.top, window.bottom), slice(window.left, window.right)  # (h, w)
        sources = motion.sources(box, window)
        result[place] = _pasted(result[place], pixels, cover, sources)
        for member in members:
            new_masks[member] = False
            new_masks[member][place] = _warped(masks[member], sources, result[place].shape, smooth=False) > 0
    return result, new_masks


def _without(pixels: np.ndarray, covers: list[np.ndarray]) -> np.ndarray:
    """(H, W, 3) uint8 with what lies under the masks (H, W), and a rim around it, painted over."""
    cv2, kernel = require_opencv(), np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)
    if not covers:
        return pixels.copy()
    filled = cv2.dilate(np.any(covers, axis=0).astype(np.uint8), kernel)
    return cv2.inpaint(pixels, filled, FILL_RADIUS, cv2.INPAINT_NS)


def _pasted(below: np.ndarray, pixels: np.ndarray, cover: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """What is `below` (h, w, 3) under the pixels of `cover`, which come from `sources`; uint8."""
    alpha = _warped(255 * cover.astype(np.uint8), sources, below.shape)[..., None] / np.float32(255)
    colours = _warped(pixels, sources, below.shape)
    return (below + (colours - below.astype(np.float32)) * alpha).round().astype(np.uint8)


def _warped(values: np.ndarray, sources: np.ndarray, shape: tuple[int, ...], *, smooth: bool = True) -> np.ndarray:
    """(h, w) or (h, w, 3) uint8: each pixel from its place in `values`, cubically or from the nearest; 0 outside."""
    cv2 = require_opencv()
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST)
    return cv2.warpAffine(values.astype(np.uint8), sources, shape[1::-1], flags=flags)


def _groups(masks: np.ndarray) -> list[np.ndarray]:
    """The numbers of the objects of each group: those that overlapping boxes connect. Empty masks are in none."""
    seen = np.flatnonzero(masks.any((1, 2)))
    left, top, right, bottom = np.array([_extent(masks[each]) for each in seen]).T
    overlap = (left[:, None] < right) & (left < right[:, None]) & (top[:, None] < bottom) & (top < bottom[:, None])
    count, group = connected_components(overlap, directed=False)
    return [seen[group == each] for each in range(count)]


def _extent(mask: np.ndarray) -> _Box:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return _Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _near(box: _Box, shape: tuple[int, ...]) -> tuple[bool, bool, bool, bool]:
    """Whether the box comes near the image's left, top, right and bottom."""
    return box.left < NEAR, box.top < NEAR, box.right > shape[1] - NEAR, box.bottom > shape[0] - NEAR


def _drawn(box: _Box, shape: tuple[int, ...], settings: InstaBoost) -> _Motion | None:
    """A random motion of a group; None where it stays.

    One near a side of the image may be cut off there: it neither shrinks, turns nor is mirrored, nor leaves the side.
    """
    left, top, right, bottom = _near(box, shape)
    is_cut = left or top or right or bottom
    action = _action(settings.actions, may_mirror=not is_cut)
    scale, degrees = number(*settings.scale), whole_number(*settings.rotation)
    across, along = int((box.right - box.left) // settings.dx), int((box.bottom - box.top) // settings.dy)
    x, y = whole_number(-across, across), whole_number(-along, along)
    if action == SKIP:
        return None
    if is_cut:
        scale, degrees = max(scale, 1.0), 0
    x, y = min(x, 0) if left else x, min(y, 0) if top else y
    x, y = max(x, 0) if right else x, max(y, 0) if bottom else y
    return _Motion(action == MIRROR, scale, degrees, x, y)


def _action(shares: tuple[float, float, float], *, may_mirror: bool) -> int:
    weights = torch.tensor(shares, dtype=torch.float64)
    if not may_mirror:
        weights[MIRROR] = 0
    return int(torch.multinomial(weights, 1)) if weights.any() else SKIP


def _with_masks(objects: Instances, masks: np.ndarray) -> Instances:
    """`objects` with these masks and boxes around them; those without a pixel are dropped."""
    kept = torch.from_numpy(masks.any((1, 2)))
    boxes = [_extent(mask) for mask in masks[kept.numpy()]]
    return objects._replace(
        boxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
        labels=objects.labels[kept],
        masks=torch.from_numpy(masks)[kept],
    )


def _recoloured(image: Image.Image) -> Image.Image:
    """The authors' factors, in tenths."""
    for enhance, low, high in (
        (ImageEnhance.Color, 0, 30),
        (ImageEnhance.Brightness, 10, 20),
        (ImageEnhance.Contrast, 10, 20),
        (ImageEnhance.Sharpness, 0, 30),
    ):
        image = enhance(image).enhance(whole_number(low, high) / 10)
    return image
