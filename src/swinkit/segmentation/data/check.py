"""What a folder of images and masks holds, and what is wrong with it, found before training.

Shapes: K classes.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from swinkit.errors import InputError
from swinkit.images.masks import MaskError, check_mask_header
from swinkit.images.read import ImageError, read_image, read_image_size
from swinkit.ops.labels import IGNORE
from swinkit.segmentation.data.folders import Pairs, mismatches
from swinkit.segmentation.data.learnable import LabelCounts, problems, remarks
from swinkit.segmentation.data.samples import SegmentationImages
from swinkit.training.progress import watched

MASKS_BEFORE_TRAINING = 1000
"""So many masks, evenly spread over the data, are read before a training run; of all others only the headers."""


@dataclass
class SegmentationReport:
    """One split of a data set."""

    classes: tuple[str, ...]
    images: int = 0
    """Images that have a mask."""
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(K + 1,) pixels of each class, and last those that are ignored."""
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Height and width of the images, and how many have them."""
    problems: list[str] = field(default_factory=list)
    """What would stop a training run, a sentence each."""
    remarks: list[str] = field(default_factory=list)
    """What may be meant so."""


def check_segmentation(
    data: SegmentationImages,
    pairs: Pairs,
    *,
    training: bool = True,
    step: Callable[[int], object] = lambda done: None,
) -> SegmentationReport:
    """Read every image and mask.

    Args:
        data: the images that have masks.
        pairs: how they were matched.
        training: whether they are learned from, or only measured on.
        step: called with the number of images done.
    """
    report = SegmentationReport(data.classes, len(data))
    report.problems += mismatches(pairs)
    report.remarks += [f"the mask {name} has no image" for name in pairs.masks_alone]
    counts = _label_counts(data)
    for index in range(len(data)):
        _check_sample(data, index, report, counts)
        step(index + 1)
    report.pixels = counts.pixels
    if not len(data) and not report.problems:
        report.problems.append("there is no image with a mask")
    report.problems += problems(counts, training=training) if not report.problems else []
    report.remarks += remarks(counts) if not report.problems else []
    return report


def _label_counts(data: SegmentationImages) -> LabelCounts:
    return LabelCounts(data.classes, str(data.root), data.reduce_zero_label, total=len(data))


def _check_sample(data: SegmentationImages, index: int, report: SegmentationReport, counts: LabelCounts) -> None:
    try:
        image = read_image(data.image_path(index))
        report.sizes[image.height, image.width] += 1
        labels = data.labels(index, (image.height, image.width))
    except (ImageError, MaskError) as error:
        report.problems.append(str(error))
        return
    counts.add(labels)
    if (labels == IGNORE).all():
        report.remarks.append(f"in the mask {data.mask_path(index)} every pixel is ignored: nothing is learned from it")
    if min(labels.shape) == 1:
        report.remarks.append(f"the image {data.image_path(index)} is only one pixel high or wide")


def require_sound(data: SegmentationImages, *, training: bool = True, masks: int = MASKS_BEFORE_TRAINING) -> list[str]:
    """What is to be said of the masks before a run: classes that none of them has, a sentence each.

    Raises InputError where the headers of the files, or up to `masks` masks read as a whole, show that training would
    stop, or where nothing can be learned from those (or measured, without `training`).
    """
    read = set(np.linspace(0, len(data) - 1, min(masks, len(data))).round().astype(int).tolist())
    counts = _label_counts(data)
    for index in watched(range(len(data)), "reading headers and masks"):
        width, height = read_image_size(data.image_path(index))
        size = (height, width)
        if index in read:
            counts.add(data.labels(index, size))
        else:
            check_mask_header(data.mask_path(index), size)
    for problem in problems(counts, training=training):
        raise InputError(problem)
    return remarks(counts)


def problems_text(report: SegmentationReport, most: int = 20) -> Iterator[str]:
    """Lines for a person: problems first, then remarks, at most `most` of either."""
    for kind, lines in (("problem", report.problems), ("remark", report.remarks)):
        yield from (f"{kind}: {line}" for line in lines[:most])
        if len(lines) > most:
            yield f"... and {len(lines) - most} more {kind}s"
