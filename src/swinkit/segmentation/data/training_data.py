"""The data of a run, judged before it begins: what `swinkit train` and `swinkit check-data` both ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swinkit.images.listing import LeftOut, left_out_lines
from swinkit.segmentation.data.check import require_sound
from swinkit.segmentation.data.folders import find_splits, match_pairs, open_segmentation_folder
from swinkit.segmentation.data.samples import SegmentationImages

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
    train, val = open_segmentation_folder(
        root,
        classes_file=classes_file,
        reduce_zero_label=reduce_zero_label,
        mask_values=mask_values,
        validation_fraction=validation_fraction,
    )
    said = [f"training: {line}" for line in require_sound(train)]
    said += [f"validation: {line}" for line in require_sound(val, training=False)]
    return (train, val), said + left_out_lines(unused_files(root), root=root)


def unused_files(root: Path) -> list[LeftOut]:
    """The files in the folders of images and masks that are neither."""
    left_out: list[LeftOut] = []
    for places in find_splits(root).values():
        pairs = match_pairs(root, *places)
        left_out += pairs.left_out
        left_out += [LeftOut(root / name, "masks without an image") for name in pairs.masks_alone]
    return left_out
