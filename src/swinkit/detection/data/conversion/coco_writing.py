"""A COCO json, put together image by image and written whole."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swinkit.files import is_file
from swinkit.images.read import IMAGE_SUFFIXES


@dataclass(frozen=True)
class FoundObject:
    """An object of an image: class number from 0, box (left, top, width, height) in pixels, polygon or none."""

    label: int
    box: tuple[float, float, float, float]
    polygon: tuple[float, ...] | None = None
    ignore: bool = False
    """Whether it is neither learned nor counted, as VOC's difficult objects."""


class CocoBuilder:
    """Collects the images of one part of a data set.

    Args:
        root: the folder that file names in the json are relative to.
        classes: names; class i gets the category id i + 1.
    """

    def __init__(self, root: Path, classes: Sequence[str]) -> None:
        self._root = root.resolve()
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._categories = [{"id": number, "name": name} for number, name in enumerate(classes, 1)]

    def add(self, image: Path, size: tuple[int, int], objects: Sequence[FoundObject]) -> None:
        """An image of `size` (width, height) with its objects."""
        name = Path(os.path.relpath(image.resolve(), self._root)).as_posix()
        number = len(self._images) + 1
        self._images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
        for found in objects:
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": number,
                    "category_id": found.label + 1,
                    "bbox": [round(value, 4) for value in found.box],
                    "area": round(_area(found), 4),
                    "iscrowd": 0,
                    **({"ignore": 1} if found.ignore else {}),
                    **({"segmentation": [[round(v, 4) for v in found.polygon]]} if found.polygon else {}),
                }
            )

    @property
    def counts(self) -> tuple[int, int]:
        """How many images and objects there are."""
        return len(self._images), len(self._annotations)

    def content(self) -> dict[str, Any]:
        return {"images": self._images, "annotations": self._annotations, "categories": self._categories}


def find_image(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    """The first file of one of these names, or of their stems with any ending of images, in one of the folders."""
    for folder in folders:
        for name in names:
            if name and is_file(folder / name):
                return folder / name
    for folder in folders:
        for stem in dict.fromkeys(Path(name).stem for name in names if name):
            for suffix in sorted(IMAGE_SUFFIXES):
                for candidate in (folder / f"{stem}{suffix}", folder / f"{stem}{suffix.upper()}"):
                    if is_file(candidate):
                        return candidate
    return None


def _area(found: FoundObject) -> float:
    """Of the polygon where there is one, else of the box."""
    if not found.polygon:
        return found.box[2] * found.box[3]
    points = list(zip(found.polygon[::2], found.polygon[1::2], strict=True))
    following = points[1:] + points[:1]
    return abs(sum(x * v - u * y for (x, y), (u, v) in zip(points, following, strict=True))) / 2
