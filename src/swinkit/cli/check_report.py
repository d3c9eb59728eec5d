"""What the checks of all tasks share: the judgement of training, and the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from swinkit.errors import InputError


def show_sizes(sizes: Iterable[tuple[tuple[int, int], int]]) -> None:
    """Print a line on (height, width) and how many images have it, most frequent first."""
    counts = list(sizes)
    if counts:
        heights, widths = ([size[axis] for size, _ in counts] for axis in (0, 1))
        (height, width), count = counts[0]
        print(
            f"  sizes (height x width): {min(heights)} to {max(heights)} x {min(widths)} to {max(widths)} pixels, most "
            f"often {height} x {width} ({count} images)"
        )


def conclude(source: Path, found: int, open_data: Callable[[], object] | None) -> None:
    """Ask what `swinkit train` asks before it begins, and raise InputError where it, or one of the problems `found`
    before, would stop a run. Without `open_data` there is nothing to train on, which is said."""
    if open_data is None:
        print("\nremark: there is nothing to train on here, only to evaluate on")
    stops = _refusal(open_data) if open_data is not None else None
    if stops is not None and not found:
        print(f"\nproblem: {stops}")
    if stops is not None or found:
        raise InputError(f"{source} has {max(1, found)} problem(s), listed above; training would stop at them")


def _refusal(open_data: Callable[[], object]) -> str | None:
    """Why training would refuse the data; what it says beside is in the report already."""
    logger = logging.getLogger("swinkit")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        open_data()
    except InputError as error:
        return str(error)
    finally:
        logger.setLevel(before)
    return None
