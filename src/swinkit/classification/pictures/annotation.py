"""One image and, beside it, what the model takes it for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from swinkit.errors import InputError
from swinkit.pictures.figure import BLUE, GREY, INK, PALE, fit_text, new_figure, percent
from swinkit.pictures.thumbnail import thumbnail

DPI = 100
IMAGE_SIDE = 3.6  # inches at most
CHART_WIDTH = 3.2  # inches
BAR = 0.42  # inches from bar to bar
LEAST = 0.0005  # of a probability to be shown


def annotated_image(image: Image.Image, rows: Sequence[tuple[str, float]]) -> Figure:
    """`image` with its most probable classes as a bar chart to its right.

    Args:
        image: any mode, size and proportions; tiny images are enlarged pixel by pixel.
        rows: class names with their probabilities (0..1), as they are to be listed from the top; usually five. Those
            after the first that round to 0.0 % are left out.

    Raises:
        InputError: where there are no rows, or a probability is not in 0..1.
    """
    if not rows:
        raise InputError("an annotated image needs at least one class with its probability")
    for name, probability in rows:
        if not (math.isfinite(probability) and 0.0 <= probability <= 1.0):
            raise InputError(f"the probability of {name!r} should be in 0..1, not {probability}")
    rows = [row for place, row in enumerate(rows) if place == 0 or row[1] >= LEAST]
    side = round(IMAGE_SIDE * DPI)
    picture = thumbnail(image, side, side)
    chart = BAR * len(rows)
    width = picture.width / DPI + CHART_WIDTH + 0.6
    height = max(picture.height / DPI, chart) + 0.4
    figure = new_figure(width, height, dpi=DPI)
    size = (picture.width / DPI / width, picture.height / DPI / height)
    axes = figure.add_axes((0.2 / width, (1 - size[1]) / 2, *size))
    axes.set_axis_off()
    axes.imshow(np.asarray(picture), interpolation="nearest", aspect="auto")
    left = (picture.width / DPI + 0.4) / width
    bars = figure.add_axes((left, (1 - chart / height) / 2, CHART_WIDTH / width, chart / height))
    bars.set_axis_off()
    bars.set_xlim(0, 1)
    bars.set_ylim(len(rows), 0)
    for place, (name, probability) in enumerate(rows):
        bars.barh(place + 0.72, 1.0, height=0.2, color=PALE)
        bars.barh(place + 0.72, probability, height=0.2, color=BLUE if place == 0 else GREY)
        label = bars.text(0, place + 0.52, "", fontsize=10, color=INK, va="bottom")
        fit_text(label, "{}", name, inches=CHART_WIDTH - 0.7)
        bars.text(1, place + 0.52, percent(probability), fontsize=10, color=INK, va="bottom", ha="right")
    return figure
