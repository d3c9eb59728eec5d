"""Whether masks can teach and measure anything: what stops a run before its first step, and what is said of it.

Shapes: K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from swinkit.ops.labels import IGNORE


@dataclass
class LabelCounts:
    """What the labels of the masks of one split come to."""

    classes: tuple[str, ...]
    where: str
    """What to call the split in messages."""
    reduce_zero_label: bool = False
    total: int = 0
    """Masks that there are; as many as are read, or more."""
    masks: int = 0
    """Masks that were read."""
    with_ignored: int = 0
    """Masks with ignored pixels."""
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(K + 1,) pixels of each class, and last those that are ignored."""

    def __post_init__(self) -> None:
        if not self.pixels.size:
            self.pixels = np.zeros(len(self.classes) + 1, dtype=np.int64)

    def add(self, labels: np.ndarray) -> None:
        """Count the labels (H, W) of a mask."""
        # Row by row: it takes 8 bytes for each value.
        counts = np.sum([np.bincount(row, minlength=IGNORE + 1) for row in labels], axis=0)
        self.pixels[:-1] += counts[: len(self.classes)]
        self.pixels[-1] += counts[IGNORE]
        self.with_ignored += bool(counts[IGNORE])
        self.masks += 1


def problems(counts: LabelCounts, *, training: bool) -> list[str]:
    """Why nothing can be learned from the masks, or measured on them; none where something can."""
    if not counts.masks:
        return []
    if not counts.pixels[:-1].any():
        return [
            f"no pixel of the masks in {counts.where} is labelled: every value is ignored; check the masks, and "
            "whether reduce_zero_label is meant (with it, the value 0 is ignored, too)"
        ]
    if len(counts.classes) == 1:
        return [
            f"there is one class, {counts.classes[0]}, so every labelled pixel is of it and nothing can be learned: "
            f"list what surrounds it as a class, too{_about_ignored(counts)}"
        ]
    present = [name for name, count in zip(counts.classes, counts.pixels, strict=False) if count]
    if training and len(present) == 1 and counts.masks == counts.total:
        return [
            f"every labelled pixel in {counts.where} is of the class {present[0]}, so nothing can be learned"
            f"{_cause(counts) or f': {_no_mask_has(_absent(counts))}'}"
            f"{'; 0 is ignored by --reduce-zero-label: is that meant?' if counts.reduce_zero_label else ''}"
        ]
    return []


def remarks(counts: LabelCounts) -> list[str]:
    """Classes that cannot be learned or measured, with the likely cause, in one line."""
    absent = _absent(counts)
    if not absent or not counts.masks:
        return []
    read = "" if counts.masks == counts.total else f" of the {counts.masks} that were read"
    said = _cause(counts).removeprefix(": ") or f"{_no_mask_has(absent)}{read}"
    return [f"in {counts.where} {said}"]


def _absent(counts: LabelCounts) -> list[str]:
    return [name for name, count in zip(counts.classes, counts.pixels[:-1], strict=True) if not count]


def _no_mask_has(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"no mask has the class {names[0]}"
    return f"no mask has these {len(names)} classes: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"


def _cause(counts: LabelCounts) -> str:
    """Why the only class that is absent may be: its pixels may be those that are ignored."""
    absent = _absent(counts)
    if len(absent) != 1 or 2 * counts.with_ignored < counts.masks or counts.reduce_zero_label:
        return ""
    place = counts.classes.index(absent[0])
    values = [*range(place), IGNORE, *range(place, len(counts.classes) - 1)]
    shown = " ".join(map(str, values)) if len(values) <= 6 else f"VALUES with {IGNORE} for {absent[0]}"
    return (
        f": no mask has the class {absent[0]}, but {IGNORE}, which is ignored, is in {counts.with_ignored} of "
        f"{counts.masks} masks: is {IGNORE} the class? --mask-values {shown}, or save it as {place}"
    )


def _about_ignored(counts: LabelCounts) -> str:
    if not counts.with_ignored or counts.reduce_zero_label:
        return ""
    return (
        f" ({IGNORE}, which is ignored, is in {counts.with_ignored} of {counts.masks} masks: with two classes in the "
        f"list, --mask-values 0 {IGNORE} makes it the second)"
    )
