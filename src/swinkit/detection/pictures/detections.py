"""What a detector finds: an image with boxes, masks, names and scores, and pages of images beside the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from swinkit.detection.pictures.objects import DPI, check_objects, draw_objects
from swinkit.errors import InputError
from swinkit.pictures.figure import (
    GREY,
    INK,
    PHOTOGRAPH_BYTES,
    clip_name,
    figure_to_image,
    fit_text,
    new_figure,
    save_figure,
)
from swinkit.pictures.palette import Colour, colours_of, hex_code
from swinkit.pictures.thumbnail import fitted_size
from swinkit.structures import Detections, Instances

SIDE = 1280
"""An image is shown with at most this many pixels a side, and at least `SMALLEST`."""
SMALLEST = 640
SMALLEST_LETTERS, LETTERS, LINES = 6.0, 10.0, 2.0
"""Points of names and boxes in an image of `SIDE` pixels that is drawn at its own size."""
MOST_NAMES = 12
"""The legend names so many classes, those with most objects."""
LINE = 0.22  # inches from line to line
GAP = 0.12  # inches
TITLE = 0.24  # inches
ENTRY = 1.75  # inches of the legend for a class
TILE = 3.4  # inches of a page's images, the longer side


@dataclass(frozen=True)
class DetectionSample:
    """An image with its true objects, and what was found in it where that is known."""

    image: Image.Image
    truth: Instances
    found: Detections | None = None
    title: str = ""


def draw_detections(
    image: Image.Image,
    found: Instances | Detections,
    classes: Sequence[str],
    out: Path,
    *,
    palette: Sequence[Colour] = (),
) -> None:
    """Draws `image` with its instances, and below it a legend with their numbers.

    Args:
        image: of any size; a small one is enlarged, a large one made smaller.
        found: instances at the image's size, true ones or detections; masks are drawn where there are any.
        classes: names by label.
        out: the PNG file to write.
        palette: a colour for each class; empty for swinkit's own.

    Raises:
        InputError: where the instances do not belong to the image or the classes, or `out` cannot be written.
    """
    save_figure(_figure_of(image, found, classes, palette), out, max_bytes=PHOTOGRAPH_BYTES)


def picture_of_detections(
    image: Image.Image, found: Instances | Detections, classes: Sequence[str], *, palette: Sequence[Colour] = ()
) -> Image.Image:
    """What `draw_detections` writes, as an image."""
    return figure_to_image(_figure_of(image, found, classes, palette))


def picture_of_the_size(
    image: Image.Image, found: Instances | Detections, classes: Sequence[str], *, palette: Sequence[Colour] = ()
) -> Image.Image:
    """`image` at its own size with its instances, and nothing around it. Arguments and errors are those of
    `draw_detections`."""
    check_objects(image, found, classes)
    longest = max(image.size)
    # The hundredth of a pixel outweighs what is lost to rounding.
    figure = new_figure((image.width + 0.01) / DPI, (image.height + 0.01) / DPI, dpi=DPI)
    draw_objects(
        figure,
        (0.0, 0.0, longest / DPI),
        image,
        found,
        classes,
        font_size=max(SMALLEST_LETTERS, LETTERS * longest / SIDE),
        line_width=max(1.0, LINES * longest / SIDE),
        is_one_class=len(set(found.labels.tolist())) == 1,
        palette=palette,
    )
    return figure_to_image(figure)


def _figure_of(
    image: Image.Image, found: Instances | Detections, classes: Sequence[str], palette: Sequence[Colour]
) -> Figure:
    check_objects(image, found, classes)
    longest = min(SIDE, max(SMALLEST, *image.size)) / DPI
    width, height = (length / DPI for length in fitted_size(image.size, round(longest * DPI), round(longest * DPI)))
    entries = legend_entries([found], classes, palette=palette)
    is_one_class = len(entries) == 1
    whole = max(width, 3.0)
    figure = new_figure(whole + 2 * GAP, height + 2 * GAP + _legend_height(entries, whole), dpi=DPI)
    draw_objects(
        figure,
        (GAP + (whole - width) / 2, GAP, longest),
        image,
        found,
        classes,
        is_one_class=is_one_class,
        palette=palette,
    )
    draw_legend(figure, entries, left=GAP, top=height + 2 * GAP, width=whole)
    return figure


def plot_detections(
    samples: Sequence[DetectionSample],
    classes: Sequence[str],
    out: Path,
    *,
    score_threshold: float = 0.3,
    palette: Sequence[Colour] = (),
) -> None:
    """Draws a page: each image with its true objects and, beside it, with what was found; two of them in a row where
    there are more than three.

    Args:
        samples: about ten at most; more make a long page.
        classes: names by label.
        out: the PNG file to write.
        score_threshold: detections below it are left out.
        palette: a colour for each class; empty for swinkit's own.

    Raises:
        InputError: where there is no sample, objects do not belong to their image or the classes, or `out` cannot be
            written.
    """
    if not samples:
        raise InputError("a page of detections needs at least one image")
    shown = [_thresholded(sample, classes, score_threshold) for sample in samples]
    columns = 1 if all(sample.found is None for sample in shown) else 2
    across = (2 if len(shown) > 3 else 1) * columns
    tiles = [tile for sample in shown for tile in _tiles(sample, columns)]
    rows = [tiles[start : start + across] for start in range(0, len(tiles), across)]
    side = round(TILE * DPI)
    heights = [max(fitted_size(image.size, side, side)[1] for _, image, _ in row) / DPI + TITLE + GAP for row in rows]
    parts = [objects for _, _, objects in tiles if objects is not None]
    entries = legend_entries(parts, classes, counts=False, palette=palette)
    whole = across * (TILE + GAP) - GAP
    figure = new_figure(whole + 2 * GAP, sum(heights) + 2 * GAP + _legend_height(entries, whole), dpi=DPI)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        for column, (title, image, objects) in enumerate(row):
            spot = (GAP + column * (TILE + GAP), top)
            _draw_tile(figure, spot, title, image, objects, classes, palette, is_one_class=len(entries) == 1)
        top += height
    draw_legend(figure, entries, left=GAP, top=top, width=whole)
    save_figure(figure, out, max_bytes=PHOTOGRAPH_BYTES)


Tile = tuple[str, Image.Image, Instances | Detections | None]


def _thresholded(sample: DetectionSample, classes: Sequence[str], score_threshold: float) -> DetectionSample:
    check_objects(sample.image, sample.truth, classes)
    if sample.found is None:
        return sample
    check_objects(sample.image, sample.found, classes)
    return DetectionSample(sample.image, sample.truth, sample.found.above(score_threshold), sample.title)


def _tiles(sample: DetectionSample, columns: int) -> list[Tile]:
    name = f"{sample.title}: " if sample.title else ""
    tiles: list[Tile] = [(f"{name}truth, {len(sample.truth.labels)}", sample.image, sample.truth)]
    if columns == 2:
        count = 0 if sample.found is None else len(sample.found.labels)
        tiles.append((f"found, {count}", sample.image, sample.found))
    return tiles


def _draw_tile(
    figure: Figure,
    place: tuple[float, float],
    title: str,
    image: Image.Image,
    objects: Instances | Detections | None,
    classes: Sequence[str],
    palette: Sequence[Colour],
    *,
    is_one_class: bool,
) -> None:
    """Title and image; `place` is their upper left corner in inches from the figure's."""
    left, top = place
    width, height = figure.get_size_inches()
    text = figure.text(left / width, 1 - (top + TITLE - 0.06) / height, "", fontsize=8, color=INK, va="baseline")
    fit_text(text, "{}", title, inches=TILE)
    if objects is not None:
        spot = (left, top + TITLE, TILE)
        draw_objects(
            figure,
            spot,
            image,
            objects,
            classes,
            font_size=6,
            line_width=1.1,
            is_one_class=is_one_class,
            palette=palette,
        )


def legend_entries(
    parts: Sequence[Instances | Detections],
    classes: Sequence[str],
    *,
    counts: bool = True,
    palette: Sequence[Colour] = (),
) -> list[tuple[str, str | None]]:
    """Names of the classes that occur, with their numbers unless told otherwise, and their colours; most frequent
    first, long lists end in a sum. The only class that occurs has no colour: each of its instances has its own."""
    numbers = Counter(label for part in parts for label in part.labels.tolist())
    order = sorted(numbers, key=lambda label: (-numbers[label], label))
    colours = colours_of(len(classes), palette)

    def entry(name: str, count: int) -> str:
        return f"{clip_name(name, 16)} {count}" if counts else clip_name(name, 20)

    if len(order) == 1:
        return [(entry(classes[order[0]], numbers[order[0]]), None)]
    entries: list[tuple[str, str | None]] = [
        (entry(classes[label], numbers[label]), hex_code(colours[label])) for label in order
    ]
    if len(entries) > MOST_NAMES:
        rest = sum(numbers[label] for label in order[MOST_NAMES - 1 :])
        entries[MOST_NAMES - 1 :] = [(entry(f"{len(order) - MOST_NAMES + 1} more", rest), GREY)]
    return entries


def draw_legend(
    figure: Figure, entries: Sequence[tuple[str, str | None]], *, left: float, top: float, width: float
) -> None:
    """Entries in columns, row by row, in inches from the figure's upper left corner."""
    across, down = figure.get_size_inches()
    columns = _legend_columns(width)
    for number, (text, colour) in enumerate(entries):
        row, column = divmod(number, columns)
        x, bottom = left + column * ENTRY, down - top - LINE * row - 0.15
        if colour is not None:
            box = Rectangle((x / across, bottom / down), 0.14 / across, 0.14 / down, transform=figure.transFigure)
            box.set_color(colour)
            figure.add_artist(box)
            x += 0.2
        figure.text(x / across, (bottom + 0.015) / down, text, fontsize=8.5, color=INK)


def _legend_columns(width: float) -> int:
    return max(1, int(width / ENTRY))


def _legend_height(entries: Sequence[tuple[str, str | None]], width: float) -> float:
    return LINE * -(-len(entries) // _legend_columns(width))
