"""Example pictures: digits, and scenes of digits, that are embedded here and were kept from training. No download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from swinkit.images.digit_scenes import DigitScenes, SceneSettings
from swinkit.images.digits import open_digits

DIGITS = (3, 7, 2, 8)
SCENES = SceneSettings(size=160, digits=(2, 5), side=(50, 80), val_scenes=4)


def write_examples(folder: Path, tasks: Sequence[str]) -> list[Path]:
    """Write a few pictures as PNG: single digits for classifiers, scenes of several for the other tasks."""
    images = _digits() if "classification" in tasks else []
    if set(tasks) - {"classification"}:
        images += _scenes()
    paths = [folder / f"example_{number}.png" for number in range(1, len(images) + 1)]
    for path, image in zip(paths, images, strict=True):
        image.save(path)
    return paths


def _digits() -> list[Image.Image]:
    """As the recipe `digits` shows them."""
    held_out = open_digits()[1]
    return [held_out[int(np.flatnonzero(held_out.labels == digit)[0])][0] for digit in DIGITS]


def _scenes() -> list[Image.Image]:
    scenes = DigitScenes(SCENES, "val")
    return [scenes.scene(number).image for number in range(len(scenes))]
