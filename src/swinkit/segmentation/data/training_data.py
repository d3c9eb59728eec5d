"""The data of a run, judged before it begins: what `swinkit train` and `swinkit check-data` both ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from swinkit.images.listing import LeftOut, left_out_lines
from swinkit.images.read import read_image_size
from swinkit.ops.resizing import resized_shape
from swinkit.segmentation.data.augmentation import SegmentationAugmentation
from swinkit.segmentation.data.check import require_sound
from swinkit.segmentation.data.folders import divided, find_splits, match_pairs, open_splits
from swinkit.segmentation.data.samples import SegmentationImages

LITTLE = 0.25
"""Crops that show less of an image are worth a word."""
SIZES_READ = 50
"""Of so many images the size is read, to know how large they are."""

Splits = tuple[SegmentationImages, SegmentationImages]


def open_training_data(
    root: Path,
    *,
    classes_file: Path | None = None,
    reduce_zero_label: bool = False,
    mask_values: Sequence[int] | None = None,
    validation_fraction: float = 0.2,
) -> tuple[Splits, list[str]]:
    """Training and validation images that a run can begin with, and what it should not pass over in silence, a sentence
    each; see `open_segmentation_folder` for the arguments.

    Raises InputError where it cannot: also where headers or masks show that reading them would stop the run, or nothing
    can be learned from them.
    """
    opened = open_splits(root, classes_file=classes_file, reduce_zero_label=reduce_zero_label, mask_values=mask_values)
    if "val" not in opened:
        require_sound(opened["train"])  # what is held out may hide that all masks are alike
    train, val = divided(opened, validation_fraction)
    said = [f"training: {line}" for line in require_sound(train)]
    said += [f"validation: {line}" for line in require_sound(val, training=False)]
    return (train, val), said + left_out_lines(unused_files(root), root=root)


def crop_remarks(data: SegmentationImages, augmentation: SegmentationAugmentation) -> Iterator[str]:
    """A sentence where the training crops show little of the images, with what shows more."""
    chosen = np.linspace(0, len(data) - 1, min(len(data), SIZES_READ)).round().astype(int).tolist()
    sizes = [read_image_size(data.image_path(index)) for index in chosen]
    shown = [resized_shape(height, width, 1.0, augmentation.resize) for width, height in sizes]
    height, width = augmentation.crop_size
    share = float(np.median([min(height, h) * min(width, w) / (h * w) for h, w in shown]))
    if share < LITTLE:
        sides = " ".join(str(round(1.5 * side)) for side in sorted(augmentation.crop_size))
        yield (
            f"crops of {height} x {width} pixels show {100 * share:.0f} % of an image of {shown[0][0]} x {shown[0][1]}"
            f"; to show more: --augmentation.resize {sides} --inference.resize {sides}"
        )


def unused_files(root: Path) -> list[LeftOut]:
    """The files in the folders of images and masks that are neither."""
    left_out: list[LeftOut] = []
    for places in find_splits(root).values():
        pairs = match_pairs(root, *places)
        left_out += pairs.left_out
        left_out += [LeftOut(root / name, "masks without an image") for name in pairs.masks_alone]
    return left_out
