"""A small folder of images and masks: coloured rectangles on grey, which a tiny segmentor learns in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ground", "red", "blue")
_COLOURS = ((128, 128, 128), (210, 40, 40), (40, 60, 210))


def sample(number: int, *, height: int = 40, width: int = 48) -> tuple[Image.Image, np.ndarray]:
    """An RGB image and its labels (H, W) uint8: a red and a blue rectangle, and two ignored rows at the top."""
    draw = np.random.default_rng(number)
    labels = np.zeros((height, width), dtype=np.uint8)
    for value in (1, 2):
        top, left = int(draw.integers(2, height - 16)), int(draw.integers(0, width - 16))
        labels[top : top + 16, left : left + 16] = value
    pixels = np.array(_COLOURS)[labels] + draw.normal(0, 15, (height, width, 3))
    labels[:2] = 255
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), labels


def write_pair(root: Path, images: str, masks: str, name: str, number: int) -> None:
    """root/images/name.png and root/masks/name.png."""
    image, labels = sample(number)
    for folder, picture in ((images, image), (masks, Image.fromarray(labels))):
        path = root / folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


def write_masks(root: Path, *, train: int = 12, val: int = 4) -> Path:
    """images/train, masks/train, images/val, masks/val and classes.txt; without `val` images and masks alone."""
    for part, count, first in (("train", train, 0), ("val", val, 1000)):
        for number in range(count):
            folders = ("images", "masks") if not val else (f"images/{part}", f"masks/{part}")
            write_pair(root, *folders, f"{part}{number:02d}", first + number)
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return root
