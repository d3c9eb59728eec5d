"""Small COCO data sets on disk for the tests in this folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(path: Path, size: tuple[int, int] = (40, 30), seed: int = 0) -> Path:
    """An image of noise, size (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


def annotation(number: int, box: Sequence[float], *, image: int = 1, category: int = 7, **more: Any) -> dict[str, Any]:
    _, _, width, height = box
    base = {"id": number, "image_id": image, "category_id": category, "bbox": list(box), "area": width * height}
    return {**base, "iscrowd": 0, **more}


def square(left: float, top: float, side: float) -> list[list[float]]:
    """The polygon of a square."""
    right, bottom = left + side, top + side
    return [[left, top, right, top, right, bottom, left, bottom]]


def write_coco(
    root: Path,
    annotations: Sequence[Any],
    *,
    count: int = 2,
    size: tuple[int, int] = (40, 30),
    name: str = "data.json",
    folder: str = "images",
    **replaced: Any,
) -> tuple[Path, Path]:
    """root/name and root/folder with `count` images called 1.png and so on, ids from 1; the categories are 7 "dog"
    and 3 "cat". Returns the json's path and the image folder."""
    content: dict[str, Any] = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": size[0], "height": size[1]}
            for number in range(1, count + 1)
        ],
        "annotations": list(annotations),
        "categories": [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
        **replaced,
    }
    for number in range(1, count + 1):
        picture(root / folder / f"{number}.png", size, seed=number)
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path, root / folder
