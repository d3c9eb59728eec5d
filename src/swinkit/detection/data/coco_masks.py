"""Masks as COCO writes them - polygons, run lengths as numbers or as text - checked, and made into pixels.

    [[x, y, x, y, x, y, ...], ...]              the polygons of one object
    {"size": [height, width], "counts": [...]}  run lengths down the columns, off first
    {"size": [height, width], "counts": "..."}  the same, compressed

Shapes: N objects, H W image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor

MOST_OUTLINE = 200_000
"""Pixels of all outlines of an object that are drawn in an image of any size; large images may have more."""

State = Literal["absent", "good", "partly", "bad", "impossible"]


@dataclass(frozen=True)
class Verdict:
    """What can be made of an object's segmentation.

    `state` is "absent" where there is none, "good", "partly" where some polygons have to be left out, "bad" where no
    polygon has an area, and "impossible" where what is there belongs to something else; `reason` says more.
    """

    state: State
    reason: str = ""


_GOOD, _ABSENT = Verdict("good"), Verdict("absent")


def judge_segmentation(segmentation: Any, height: int, width: int) -> Verdict:
    """Whether a mask of height x width pixels can be made of `segmentation`."""
    if segmentation is None or segmentation == [] or segmentation == {}:
        return _ABSENT
    if isinstance(segmentation, list):
        return _judge_polygons(segmentation, height, width)
    if isinstance(segmentation, dict):
        return _judge_run_lengths(segmentation, height, width)
    return Verdict("impossible", f"has the segmentation {_short(segmentation)}, neither polygons nor run lengths (RLE)")


def sound_segmentation(segmentation: Any) -> Any:
    """`segmentation` without the polygons of which no area can be made."""
    return [part for part in segmentation if _is_area(part)] if isinstance(segmentation, list) else segmentation


def run_lengths(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """pycocotools' compressed form of a sound `segmentation`."""
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return {"size": [height, width], "counts": segmentation["counts"]}


def decode_masks(segmentations: Sequence[Any], height: int, width: int) -> Tensor:
    """(N, H, W) bool of N sound segmentations."""
    if not segmentations:
        return torch.zeros(0, height, width, dtype=torch.bool)
    decoded = coco_mask.decode([run_lengths(each, height, width) for each in segmentations])  # (H, W, N), by columns
    return torch.from_numpy(np.ascontiguousarray(decoded.transpose(2, 0, 1))).bool()


def _judge_polygons(parts: list[Any], height: int, width: int) -> Verdict:
    if not all(isinstance(part, list) for part in parts):
        return Verdict(
            "impossible", f"has the segmentation {_short(parts)}: polygons must be a list of lists of numbers"
        )
    limit = 10 * max(height, width)
    length = 0.0
    for part in parts:
        if not all(type(number) in (int, float) for number in part):
            return Verdict("impossible", f"has a polygon that is not a flat list of numbers ({_short(part)})")
        if not all(-limit <= number <= limit for number in part):
            return Verdict("impossible", f"has a polygon far outside its image ({_short(part)})")
        length += _outline(part)
    longest = max(MOST_OUTLINE, 50 * (height + width))
    if length > longest:
        return Verdict("impossible", f"has polygons whose outlines are {length:.0f} pixels long; {longest} are enough")
    lacking = [part for part in parts if not _is_area(part)]
    if not lacking:
        return _GOOD
    reason = f"has a polygon of {len(lacking[0])} numbers; 3 points or more are needed, x and y of each"
    return Verdict("bad" if len(lacking) == len(parts) else "partly", reason)


def _outline(part: list[Any]) -> float:
    """Pixels along a polygon: pycocotools writes each of them down several times."""
    points = np.array(part[: len(part) // 2 * 2], dtype=np.float64).reshape(-1, 2)
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(1).sum()) if len(points) else 0.0


def _is_area(part: list[Any]) -> bool:
    return len(part) >= 6 and len(part) % 2 == 0


def _judge_run_lengths(segmentation: dict[str, Any], height: int, width: int) -> Verdict:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size != [height, width]:
        return Verdict("impossible", f"has an RLE mask of the size {_short(size)}, but its image {[height, width]}")
    lengths = _parsed_counts(counts)
    if lengths is None:
        return Verdict("impossible", f"has an RLE mask whose counts are none ({_short(counts)})")
    total = sum(lengths.tolist())
    if total != height * width:
        return Verdict("impossible", f"has an RLE mask of {total} pixels, but its image has {height * width}")
    return _GOOD


def _parsed_counts(counts: Any) -> np.ndarray | None:
    """The run lengths, or None where `counts` are no such thing."""
    if isinstance(counts, str):
        return _decompressed(counts)
    if not isinstance(counts, list) or not counts or not all(type(count) is int for count in counts):
        return None
    return np.array(counts) if min(counts) >= 0 and max(counts) < 2**32 else None


def _decompressed(text: str) -> np.ndarray | None:
    """COCO's text: numbers in groups of 5 bits, lowest first, with a sixth bit where more follow; from the fourth
    number on, the difference from the last but one.

    Read here because pycocotools' C code trusts it, and may read beyond its end."""
    if not text or not text.isascii():
        return None
    codes = np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero((codes & 32) == 0)
    if codes.min() < 0 or codes.max() > 63 or not len(ends) or ends[-1] != len(codes) - 1:
        return None
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 7:  # 35 bits: more than any count
        return None
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, lengths))
    counts = np.add.reduceat((codes & 31) << shifts, starts)
    counts -= np.where(codes[ends] & 16, 1 << (5 * lengths), 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts if counts.min() >= 0 else None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:40] + "..."
