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
from swinkit.segmentation.data.folders import Pairs
from swinkit.segmentation.data.samples import SegmentationImages

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
    data: SegmentationImages, pairs: Pairs, *, step: Callable[[int], object] = lambda done: None
) -> SegmentationReport:
    """Read every image and mask.

    Args:
        data: the images that have masks.
        pairs: how they were matched.
        step: called with the number of images done.
    """
    report = SegmentationReport(data.classes, len(data), np.zeros(len(data.classes) + 1, dtype=np.int64))
    report.problems += [f"{one} and {other} have the same name" for one, other in pairs.duplicates]
    report.problems += [f"the image {name} has no mask" for name in pairs.images_alone]
    report.remarks += [f"the mask {name} has no image" for name in pairs.masks_alone]
    for index in range(len(data)):
        _check_sample(data, index, report)
        step(index + 1)
    if not len(data):
        report.problems.append("there is no image with a mask")
    elif not report.pixels[:-1].any() and not report.problems:
        report.problems.append("in every mask every pixel is ignored")
    for name, count in zip(data.classes, report.pixels[:-1], strict=True):
        if not count:
            report.remarks.append(f"the class {name!r} occurs in no mask")
    return report


def _check_sample(data: SegmentationImages, index: int, report: SegmentationReport) -> None:
    try:
        image = read_image(data.image_path(index))
        report.sizes[image.height, image.width] += 1
        labels = data.labels(index, (image.height, image.width))
    except (ImageError, MaskError) as error:
        report.problems.append(str(error))
        return
    # Row by row: it takes 8 bytes for each value.
    counts = np.sum([np.bincount(row, minlength=IGNORE + 1) for row in labels], axis=0)
    report.pixels[:-1] += counts[: len(data.classes)]
    report.pixels[-1] += counts[IGNORE]
    if counts[IGNORE] == labels.size:
        report.remarks.append(f"in the mask {data.mask_path(index)} every pixel is ignored: nothing is learned from it")
    if min(labels.shape) == 1:
        report.remarks.append(f"the image {data.image_path(index)} is only one pixel high or wide")


def require_sound(data: SegmentationImages, *, masks: int = MASKS_BEFORE_TRAINING) -> None:
    """Raises InputError where the headers of the files, or up to `masks` masks read as a whole, show that training
    would stop, or where no pixel of those is labelled."""
    read = set(np.linspace(0, len(data) - 1, min(masks, len(data))).round().astype(int).tolist())
    labelled = 0
    for index in range(len(data)):
        width, height = read_image_size(data.image_path(index))
        size = (height, width)
        if index in read:
            labelled += int((data.labels(index, size) != IGNORE).sum())
        else:
            check_mask_header(data.mask_path(index), size)
    if not labelled:
        raise InputError(
            f"no pixel of the masks in {data.root} is labelled: every value is ignored; check the masks, and whether "
            "reduce_zero_label is meant (with it, the value 0 is ignored, too)"
        )


def problems_text(report: SegmentationReport, most: int = 20) -> Iterator[str]:
    """Lines for a person: problems first, then remarks, at most `most` of either."""
    for kind, lines in (("problem", report.problems), ("remark", report.remarks)):
        yield from (f"{kind}: {line}" for line in lines[:most])
        if len(lines) > most:
            yield f"... and {len(lines) - most} more {kind}s"
