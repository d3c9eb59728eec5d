"""Images with a class for every pixel: what a segmentation data set is to everything after it.

Shapes: H W image, K classes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from PIL import Image

from swinkit.images.masks import MaskError, read_mask
from swinkit.images.names import NameTable
from swinkit.images.read import read_image
from swinkit.segmentation.data.labels import as_labels, check_mask_values


class SegmentationData(Protocol):
    """Images with labels."""

    classes: tuple[str, ...]
    """Names; label i is classes[i]."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Image.Image, np.ndarray]:
        """The image in 8-bit RGB, and its labels (H, W) uint8: 0..K-1, or 255 for pixels to ignore."""

    def labels(self, index: int) -> np.ndarray:
        """The labels of sample `index` alone, without its image."""

    def sample_name(self, index: int) -> str:
        """What to call sample `index` in messages and pictures."""

    def subset(self, indices: Sequence[int]) -> "SegmentationData":
        """The samples at `indices`, in that order."""


class SegmentationImages:
    """Image files with mask files, both below `root`.

    Args:
        root: the folder that the names are relative to.
        images: names of the images.
        masks: names of their masks, in the same order.
        classes: names of the K classes.
        reduce_zero_label, mask_values: see `as_labels`.
    """

    def __init__(
        self,
        root: Path,
        images: Sequence[str] | NameTable,
        masks: Sequence[str] | NameTable,
        classes: Sequence[str],
        *,
        reduce_zero_label: bool = False,
        mask_values: Sequence[int] | None = None,
    ) -> None:
        if mask_values is not None:
            check_mask_values(mask_values, classes, reduce_zero_label=reduce_zero_label)
        self.mask_values = mask_values
        self.root = root
        self.images = images if isinstance(images, NameTable) else NameTable(images)
        self.masks = masks if isinstance(masks, NameTable) else NameTable(masks)
        self.classes = tuple(classes)
        self.reduce_zero_label = reduce_zero_label

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Image.Image, np.ndarray]:
        image = read_image(self.image_path(index))
        return image, self.labels(index, (image.height, image.width))

    def labels(self, index: int, size: tuple[int, int] | None = None) -> np.ndarray:
        """The labels alone, (H, W) uint8; MaskError where they are not of this height and width, or no labels."""
        path = self.mask_path(index)
        values = read_mask(path)
        if size is not None and values.shape != size:
            raise MaskError(
                f"the mask {path} has {values.shape[0]} x {values.shape[1]} pixels, its image {size[0]} x {size[1]} "
                "(height x width, as a viewer shows it); make them the same size"
            )
        return as_labels(
            values,
            len(self.classes),
            reduce_zero_label=self.reduce_zero_label,
            name=str(path),
            mask_values=self.mask_values,
        )

    def image_path(self, index: int) -> Path:
        return self.root / self.images[index]

    def mask_path(self, index: int) -> Path:
        return self.root / self.masks[index]

    def sample_name(self, index: int) -> str:
        return str(self.image_path(index))

    def joined(self, other: Self) -> Self:
        """These samples and then those of `other`, of the same folder and classes."""
        images = NameTable([*(self.images[n] for n in range(len(self))), *(other.images[n] for n in range(len(other)))])
        masks = NameTable([*(self.masks[n] for n in range(len(self))), *(other.masks[n] for n in range(len(other)))])
        return self._changed(images, masks)

    def subset(self, indices: Sequence[int] | np.ndarray) -> Self:
        """The samples at `indices`, in that order."""
        images, masks = (NameTable(names[int(index)] for index in indices) for names in (self.images, self.masks))
        return self._changed(images, masks)

    def _changed(self, images: NameTable, masks: NameTable) -> Self:
        return type(self)(
            self.root,
            images,
            masks,
            self.classes,
            reduce_zero_label=self.reduce_zero_label,
            mask_values=self.mask_values,
        )
