"""A data set on a page: thumbnails where their features lie.

Shapes: N images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.patches import Rectangle
from PIL import Image

from swinkit.pictures.figure import (
    INK,
    PHOTOGRAPH_BYTES,
    clip_name,
    new_figure,
    save_figure,
    shrink_to_content,
)
from swinkit.pictures.palette import class_colours, hex_code
from swinkit.pictures.thumbnail import thumbnail

DPI = 100
COLUMNS, ROWS = 28, 20
"""Cells of the page, of which each shows the image nearest to its middle."""
CELL, BORDER = 44, 3
"""Pixels of a cell, and of the frame in the colour of the class."""
MOST_NAMES = 30
LINE = 0.22
"""Inches from name to name."""


def plot_map(
    places: np.ndarray,
    read: Callable[[int], Image.Image],
    out: Path,
    *,
    labels: np.ndarray | None = None,
    classes: Sequence[str] = (),
) -> None:
    """Draw images at their places.

    Args:
        places: (N, 2), 0..1.
        read: the image of a number.
        out: the PNG file.
        labels: (N,), the classes of the images, in whose colours they are framed.
        classes: names.

    Raises:
        InputError: where the file cannot be written.
    """
    page = Image.new("RGB", (COLUMNS * CELL, ROWS * CELL), "white")
    colours = class_colours(len(classes))
    shown = _shown(places)
    for (row, column), number in shown.items():
        picture = thumbnail(read(number), CELL - 2 * BORDER, CELL - 2 * BORDER)
        frame = Image.new("RGB", (picture.width + 2 * BORDER, picture.height + 2 * BORDER), "white")
        if labels is not None:
            frame.paste(colours[labels[number]], (0, 0, *frame.size))
        frame.paste(picture, (BORDER, BORDER))
        page.paste(frame, (column * CELL + (CELL - frame.width) // 2, row * CELL + (CELL - frame.height) // 2))
    figure = new_figure(page.width / DPI, page.height / DPI, dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(np.asarray(page), extent=(0, page.width, page.height, 0), interpolation="nearest")
    axes.set_autoscale_on(False)
    axes.set_title(f"{len(shown)} of {len(places)} images: like lies beside like", loc="left", fontsize=10, color=INK)
    for place, name in enumerate(classes[:MOST_NAMES]):
        top = place * LINE * DPI
        patch = Rectangle(
            (page.width + 20, top), 14, 14, facecolor=hex_code(colours[place]), edgecolor="none", clip_on=False
        )
        axes.add_patch(patch)
        text = clip_name(name, 28)
        axes.text(page.width + 42, top + 7, text, va="center", fontsize=9, color=INK, clip_on=False)
    if len(classes) > MOST_NAMES:
        more = f"... and {len(classes) - MOST_NAMES} more"
        axes.text(page.width + 42, MOST_NAMES * LINE * DPI + 7, more, va="center", fontsize=9, color=INK, clip_on=False)
    shrink_to_content(figure)
    save_figure(figure, out, max_bytes=PHOTOGRAPH_BYTES)


def _shown(places: np.ndarray) -> dict[tuple[int, int], int]:
    """The number of the image that each cell, by row and column, shows."""
    size = np.array([COLUMNS, ROWS])
    cells = np.minimum((places * size).astype(int), size - 1)
    distance = np.abs(places * size - (cells + 0.5)).max(1)
    shown: dict[tuple[int, int], int] = {}
    for number in np.argsort(distance, kind="stable").tolist():
        shown.setdefault((int(cells[number, 1]), int(cells[number, 0])), number)
    return shown
