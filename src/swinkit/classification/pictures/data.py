"""A page of images with their classes, to see whether labels and images belong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from swinkit.pictures.figure import INK, PHOTOGRAPH_BYTES, fit_text, new_figure, save_figure
from swinkit.pictures.thumbnail import thumbnail

COLUMNS = 6
TILE, GAP, LINE = 1.2, 0.2, 0.3  # inches
DPI = 100


def plot_labelled(samples: Sequence[tuple[Image.Image, str]], out: Path) -> None:
    """Draw images with the names of their classes below them, as PNG.

    Raises InputError where `out` cannot be written.
    """
    rows = -(-len(samples) // COLUMNS)
    height = rows * (TILE + LINE + GAP) + GAP
    width = COLUMNS * (TILE + GAP) + GAP
    figure = new_figure(width, height, dpi=DPI)
    for place, (image, name) in enumerate(samples):
        row, column = divmod(place, COLUMNS)
        left, bottom = GAP + column * (TILE + GAP), height - (row + 1) * (TILE + LINE + GAP) + LINE
        axes = figure.add_axes((left / width, bottom / height, TILE / width, TILE / height))
        axes.set_axis_off()
        axes.imshow(np.asarray(thumbnail(image, round(TILE * DPI), round(TILE * DPI))), interpolation="nearest")
        text = figure.text(left / width, (bottom - 0.18) / height, "", fontsize=8, color=INK, va="baseline")
        fit_text(text, "{}", name, inches=TILE + 0.1)
    save_figure(figure, out, max_bytes=PHOTOGRAPH_BYTES)
