"""What a detection data set looks like: a sheet of its images with their objects, and how many of each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from swinkit.detection.pictures.objects import DPI, check_objects, draw_objects
from swinkit.errors import InputError
from swinkit.pictures.figure import INK, PHOTOGRAPH_BYTES, clip_name, fit_text, new_figure, save_figure
from swinkit.pictures.palette import class_colours, hex_code
from swinkit.pictures.thumbnail import fitted_size
from swinkit.structures import Instances

COLUMNS = 4
TILE = 3.0  # inches of an image's longer side
GAP = 0.12  # inches
TITLE = 0.22  # inches
BAR = 0.2  # inches from bar to bar
MOST_BARS = 40
NAMES = 2.2  # inches left of the bars
HEADLINE = 0.34  # inches


def plot_detection_data(
    samples: Sequence[tuple[str, Image.Image, Instances]],
    classes: Sequence[str],
    counts: Sequence[int],
    out: Path,
    *,
    title: str = "",
) -> None:
    """Draws a contact sheet, and under it how many objects each class has, in the colours of the boxes.

    Args:
        samples: title, image and objects; about twelve.
        classes: names of the K classes.
        counts: objects of each class in the whole data set.
        out: the PNG file to write.
        title: above all.

    Raises:
        InputError: where there is no image, objects do not belong to their image or classes, or `out` cannot be
            written.
    """
    if not samples:
        raise InputError("a sheet of a data set needs at least one image")
    for _, image, objects in samples:
        check_objects(image, objects, classes)
    rows = [samples[start : start + COLUMNS] for start in range(0, len(samples), COLUMNS)]
    side = round(TILE * DPI)
    heights = [max(fitted_size(image.size, side, side)[1] for _, image, _ in row) / DPI + TITLE + GAP for row in rows]
    occurring = [label for label in range(len(classes)) if counts[label]]
    order = sorted(occurring, key=lambda label: (-counts[label], label))[:MOST_BARS]
    width = COLUMNS * (TILE + GAP) + GAP
    figure = new_figure(width, HEADLINE + sum(heights) + HEADLINE + BAR * len(order) + 3 * GAP, dpi=DPI)
    _headline(figure, GAP, title)
    top = HEADLINE
    for row, height in zip(rows, heights, strict=True):
        for column, sample in enumerate(row):
            _draw_sample(figure, (GAP + column * (TILE + GAP), top), sample, classes, is_one_class=len(occurring) == 1)
        top += height
    _headline(figure, top + GAP, f"Objects of each class{_left_out(len(occurring), len(classes))}")
    if order:
        _draw_bars(figure, top + HEADLINE, order, classes, counts)
    save_figure(figure, out, max_bytes=PHOTOGRAPH_BYTES)


def _left_out(occurring: int, known: int) -> str:
    """What the bars do not show, as part of their title."""
    if occurring > MOST_BARS:
        return f", the {MOST_BARS} most frequent of {occurring} classes that occur"
    return f"; {known - occurring} of {known} classes have none" if occurring < known else ""


def _draw_sample(
    figure: Figure,
    place: tuple[float, float],
    sample: tuple[str, Image.Image, Instances],
    classes: Sequence[str],
    *,
    is_one_class: bool,
) -> None:
    title, image, objects = sample
    (left, top), (width, height) = place, figure.get_size_inches()
    text = figure.text(left / width, 1 - (top + TITLE - 0.06) / height, "", fontsize=7.5, color=INK, va="baseline")
    fit_text(text, f"{{}} ({image.width} x {image.height}, {len(objects.labels)} objects)", title, inches=TILE)
    spot = (left, top + TITLE, TILE)
    draw_objects(figure, spot, image, objects, classes, font_size=5.5, line_width=1.0, is_one_class=is_one_class)


def _headline(figure: Figure, top: float, title: str) -> None:
    width, height = figure.get_size_inches()
    text = figure.text(GAP / width, 1 - (top + 0.14) / height, "", fontsize=10.5, color=INK, va="baseline")
    if title:
        fit_text(text, "{}", title, inches=width - 2 * GAP)


def _draw_bars(figure: Figure, top: float, order: Sequence[int], classes: Sequence[str], counts: Sequence[int]) -> None:
    width, height = figure.get_size_inches()
    length = BAR * len(order)
    place = (NAMES / width, 1 - (top + GAP + length) / height, (width - NAMES - 1.0) / width, length / height)
    axes = figure.add_axes(place)
    axes.set_axis_off()
    axes.set_xlim(0, max([1, *counts]))
    axes.set_ylim(len(order), 0)
    colours = class_colours(len(classes))
    for row, label in enumerate(order):
        axes.barh(row + 0.5, counts[label], height=0.72, color=hex_code(colours[label]))
        name = clip_name(classes[label], 26)
        axes.annotate(name, (0, row + 0.5), (-5, 0), textcoords="offset points", ha="right", va="center", fontsize=8)
        number = f"{counts[label]:,}"
        axes.annotate(
            number, (counts[label], row + 0.5), (4, 0), textcoords="offset points", va="center", fontsize=8, color=INK
        )
