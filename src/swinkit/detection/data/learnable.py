"""Whether a data set can teach and measure anything: what stops a run before its first step, and what is said of it.

Shapes: K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from swinkit.detection.data.coco_json import CocoTable, Problem
from swinkit.images.listing import counted

NEARLY_ALL = 0.995
"""Where so many of the objects can be found, the limit is not worth a word."""

USUAL_LIMIT = 100
"""Detections that COCO's average precision counts in an image."""


def nothing_to_learn(table: CocoTable, *, has_masks: bool) -> str:
    """The sentence for a json without a single target, with the cause."""
    what = f"no image of {table.path} has an object {'with a mask ' if has_masks else ''}to learn"
    total = len(table.is_crowd)
    if not total:
        return f"{what}; annotate some"
    if table.is_crowd.all():
        return (
            f"{what}: all {total:,} annotations are crowds or ignored (iscrowd or ignore 1); set iscrowd to 0 where "
            "one object is meant"
        )
    causes = {
        "are crowds or ignored (iscrowd or ignore 1)": int(table.is_crowd.sum()),
        "have a box without extent": int((~table.is_crowd & ~table.has_extent).sum()),
        "have no mask": int((table.mask_states[~table.is_crowd] == "absent").sum()) if has_masks else 0,
        "have a mask that cannot be used": int(np.isin(table.mask_states, ("bad", "impossible")).sum()),
    }
    listed = ", ".join(f"{count:,} {cause}" for cause, count in causes.items() if count)
    return f"{what}: of {total:,} annotations {listed}; correct them, or annotate others"


def used_twice(table: CocoTable) -> Iterator[Problem]:
    """The images whose file another image before them has."""
    first: dict[str, int] = {}
    for image in range(len(table.image_ids)):
        name = table.file_names[image]
        if name in first:
            where = f"image {table.image_ids[image]} of {table.path}"
            what = f"has the file {name} of image {table.image_ids[first[name]]}, too: make them one image"
            yield Problem("image used twice", where, what)
        first.setdefault(name, image)


def class_remarks(counts: Sequence[int], classes: Sequence[str], *, where: str) -> Iterator[str]:
    """A line where there are classes without objects.

    Args:
        counts: (K,) objects of each class.
        classes: their names.
        where: the json.
    """
    absent = [name for name, count in zip(classes, counts, strict=True) if not count]
    if absent:
        yield f"no object of {where} is of {'the class' if len(absent) == 1 else 'these classes'}: {_some(absent)}"


def dense_remarks(counts: np.ndarray, *, where: str, limit: int = USUAL_LIMIT) -> Iterator[str]:
    """A line where images hold more objects than are counted.

    Args:
        counts: (images,) objects of each.
        where: the json.
        limit: detections that are counted in an image.
    """
    dense = int((counts > limit).sum())
    most = np.minimum(counts, limit).sum() / max(1, counts.sum())
    if dense and most < NEARLY_ALL:
        yield (
            f"{_images(dense)} of {where} with more than {limit} objects: COCO's AP counts {limit} detections of an "
            f"image, at most {most:.2f} of all objects can be found; let the detector give more, and evaluate with "
            "--max-detections"
        )


def shared_images(train: Sequence[str], val: Sequence[str]) -> Iterator[str]:
    """A line where files are both learned from and validated on."""
    both = sorted(set(train) & set(val))
    if both:
        yield f"{counted(both, what='image')} are in the training and in the validation data: scores will be too good"


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
