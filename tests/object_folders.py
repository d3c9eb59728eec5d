"""A small COCO data set: coloured rectangles on grey with boxes and masks, which a tiny detector learns in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ("red", "blue")
_COLOURS = ((210, 40, 40), (40, 60, 210))


def scene(number: int, *, height: int = 40, width: int = 48) -> tuple[Image.Image, list[tuple[int, list[int]]]]:
    """An RGB image, and of its one or two rectangles class and box (left, top, width, height)."""
    draw = np.random.default_rng(number)
    pixels = np.full((height, width, 3), 128.0)
    objects = []
    for label in (0, 1) if number % 3 else (number // 3 % 2,):
        left, top = int(draw.integers(0, width // 2 - 16) + label * width // 2), int(draw.integers(0, height - 18))
        pixels[top : top + 18, left : left + 16] = _COLOURS[label]
        objects.append((label, [left, top, 16, 18]))
    noisy = pixels + draw.normal(0, 10, pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), objects


def write_objects(root: Path, *, train: int = 12, val: int = 5, masks: bool = True, empty: bool = True) -> Path:
    """root/annotations/train.json and val.json, root/train and root/val; category ids are 3 and 7, and the last image
    of each part has no object, or with `empty` False objects like the others."""
    for part, count, first in (("train", train, 0), ("val", val, 1000)):
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        (root / part).mkdir(parents=True)
        for number in range(count):
            image, objects = scene(first + number)
            if empty and number == count - 1:
                image, objects = Image.new("RGB", (48, 40), (128, 128, 128)), []
            name = f"{part}{number:02d}.png"
            image.save(root / part / name)
            images.append({"id": 10 + number, "file_name": name, "width": image.width, "height": image.height})
            annotations += [
                _annotation(len(annotations) + k, 10 + number, *each, masks) for k, each in enumerate(objects)
            ]
        categories = [{"id": 3, "name": "red"}, {"id": 7, "name": "blue"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"{part}.json").write_text(json.dumps(content))
    return root


def _annotation(number: int, image: int, label: int, box: list[int], masks: bool) -> dict[str, Any]:
    left, top, width, height = box
    corners = [left, top, left + width, top, left + width, top + height, left, top + height]
    shape = {"segmentation": [corners]} if masks else {}
    base = {"id": number + 1, "image_id": image, "category_id": (3, 7)[label], "bbox": box, "area": width * height}
    return {**base, "iscrowd": 0, **shape}
