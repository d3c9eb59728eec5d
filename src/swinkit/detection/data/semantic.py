"""Maps with a class number for every pixel, things and stuff, beside the objects of a data set, such as COCO-stuff.

    data/stuffthingmaps/train2017/000000000009.png       the map of data/train2017/000000000009.jpg

Shapes: H W image, C semantic classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from swinkit.errors import InputError
from swinkit.images.masks import MaskError, check_mask_header, read_mask
from swinkit.ops.labels import IGNORE

FOLDER = "stuffthingmaps"
"""What COCO-stuff calls the folder of its maps."""

WITHOUT = "or do without them: --detector.semantic-classes 0"


@dataclass(frozen=True)
class SemanticMaps:
    """Which maps a detector wants. Raises InputError where there cannot be so many classes."""

    classes: int
    """C: the maps' values are 0..C-1, and 255 where the class is unknown."""
    folder: Path | None = None
    """Where they lie, with a folder for each part of the data or without; None: stuffthingmaps/ beside the images."""

    def __post_init__(self) -> None:
        if not 1 <= self.classes <= IGNORE:
            raise InputError(f"there can be 1 to {IGNORE} semantic classes, not {self.classes}; {IGNORE} is ignored")

    def of(self, image_root: Path) -> SemanticFolder:
        """The maps of the images in `image_root`; raises InputError, saying where they should be, if there are none."""
        found = find_maps(image_root, self.folder)
        if found is None:
            wanted = self.folder or image_root.parent / FOLDER / image_root.name
            raise InputError(
                f"this detector learns the class of every pixel, and there is no folder {wanted} with the maps of the "
                f"images in {image_root}; give their folder with --semantic, {WITHOUT}"
            )
        return SemanticFolder(found, self.classes)


@dataclass(frozen=True)
class SemanticFolder:
    """The maps of one folder of images, PNG files of the same names."""

    root: Path
    classes: int
    """C."""

    def path(self, image_name: str) -> Path:
        """The map of the image that the json calls `image_name`."""
        return self.root / Path(image_name).with_suffix(".png")

    def read(self, image_name: str, size: tuple[int, int]) -> Tensor:
        """The map, (H, W) uint8: 0..C-1, or 255 for unknown.

        Raises MaskError, naming the file, where it is missing, damaged, of another size than the image's `size`
        (height, width), or has a value that is no class.
        """
        path = self.path(image_name)
        values = read_mask(path, size=size)
        outside = values[(values < 0) | ((values >= self.classes) & (values != IGNORE))]
        if outside.size:
            raise MaskError(
                f"the semantic map {path} has the value {int(outside[0])}, but {self.classes} classes have the values "
                f"0 to {self.classes - 1} (and {IGNORE} is unknown); correct the map or --detector.semantic-classes"
            )
        return torch.from_numpy(values.astype(np.uint8))

    def check_header(self, image_name: str, size: tuple[int, int]) -> None:
        """Raises MaskError where the file's header alone shows that `read` would refuse it."""
        check_mask_header(self.path(image_name), size)


def find_maps(image_root: Path, folder: Path | None) -> Path | None:
    """The folder of the maps of the images in `image_root`: below `folder`, or without one below the first
    stuffthingmaps/ in `image_root` or in the two folders around it; None where there is none."""
    places: Sequence[Path] = (image_root, image_root.parent, image_root.parent.parent)
    roots = [place / FOLDER for place in places] if folder is None else [folder]
    candidates = [candidate for root in roots for candidate in (root / image_root.name, root)]
    return next((candidate for candidate in candidates if candidate.is_dir()), None)
