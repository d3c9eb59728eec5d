"""What a segmentor paints: masks over images, pages of them, IoU of each class.

Shapes: H W image, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from swinkit.errors import InputError
from swinkit.ops.labels import IGNORE
from swinkit.pictures.figure import (
    BLUE,
    INK,
    PHOTOGRAPH_BYTES,
    clip_name,
    fit_text,
    new_figure,
    percent,
    save_figure,
    shrink_to_content,
)
from swinkit.pictures.palette import Colour, colours_of, hex_code, is_background
from swinkit.pictures.thumbnail import thumbnail

DPI = 100
SIDE = 1024
"""An image is shown with at most this many pixels a side, and at least `SMALLEST`."""
SMALLEST = 384
IGNORED = (128, 128, 128)
BEHIND = (0, 0, 0)
"""The background in index masks."""
MOST_IN_8_BITS = 256
"""Classes that a mask of 8 bits can hold."""
MOST_NAMES = 24
"""The legend names so many classes, those of the largest areas."""
PAGE_TILE = 2.4  # inches, of the longer side of an image on a page
LEGEND = 2.9  # inches
LINE = 0.22  # inches from line to line
TITLE = 0.2  # inches
GAP = 0.12  # inches


@dataclass(frozen=True)
class SegmentationSample:
    """An image with the classes of its pixels, (H, W) each; the ground truth may have 255 for pixels to ignore."""

    image: Image.Image
    truth: np.ndarray
    predicted: np.ndarray | None = None
    title: str = ""


def painted(
    image: Image.Image,
    classes: np.ndarray,
    names: Sequence[str],
    *,
    opacity: float = 0.55,
    palette: Sequence[Colour] = (),
) -> Image.Image:
    """`image` under the colours of its pixels' classes (H, W); ignored pixels are grey, the background, known by its
    name, stays as it is."""
    if classes.shape != (image.height, image.width):
        raise InputError(f"classes {classes.shape} do not belong to an image of {image.height} x {image.width} pixels")
    plain = image.convert("RGB")
    over = Image.blend(plain, Image.fromarray(_colour_table(names, palette)[classes]), opacity)
    behind = np.isin(classes, [number for number, name in enumerate(names) if is_background(name)])
    over.paste(plain, mask=Image.fromarray(behind))
    return over


def index_mask(classes: np.ndarray, names: Sequence[str], *, palette: Sequence[Colour] = ()) -> Image.Image:
    """Classes (H, W) as a palette image whose pixels' values are the classes and whose palette shows them, the
    background black, unless `palette` says otherwise; where 8 bits are too few for K classes, as a grey one of 16."""
    if len(names) > MOST_IN_8_BITS:
        return Image.fromarray(classes.astype(np.uint16))
    if classes.max(initial=0) > IGNORE:
        raise InputError(f"a mask of {len(names)} classes has values up to {IGNORE}, not {classes.max()}")
    mask = Image.fromarray(classes.astype(np.uint8))
    mask.putpalette(_colour_table(names, palette).ravel().tolist())
    return mask


def segmentation_figure(
    image: Image.Image,
    classes: np.ndarray,
    names: Sequence[str],
    *,
    side_by_side: bool = False,
    palette: Sequence[Colour] = (),
) -> Figure:
    """`image` with its classes painted over it, and a legend with each class's share of the pixels.

    Args:
        image: of any size.
        classes: (H, W), 0..K-1.
        names: the K classes.
        side_by_side: show the image itself to the left, too.
        palette: a colour for each class; empty for swinkit's own.

    Raises:
        InputError: where sizes do not fit.
    """
    over = painted(image, classes, names, palette=palette)
    pictures = [_shown(picture) for picture in ((image, over) if side_by_side else (over,))]
    width, height = (length / DPI for length in pictures[0].size)
    lines = legend_lines(classes, names, palette=palette)
    whole = len(pictures) * (width + GAP) + LEGEND
    figure = new_figure(whole, max(height, LINE * len(lines)) + 2 * GAP, dpi=DPI)
    for place, picture in enumerate(pictures):
        _place(figure, GAP + place * (width + GAP), GAP, picture)
    _draw_legend(figure, lines, left=whole - LEGEND + GAP)
    return figure


def plot_segmentations(
    samples: Sequence[SegmentationSample], names: Sequence[str], out: Path, *, palette: Sequence[Colour] = ()
) -> None:
    """Draws a page: of every sample the image, the ground truth, and what was predicted where that is known; in the
    colours of `palette` where it has one for each class.

    Raises InputError where there is no sample or `out` cannot be written.
    """
    if not samples:
        raise InputError("a page of segmentations needs at least one image")
    columns = 3 if any(sample.predicted is not None for sample in samples) else 2
    rows = [_tiles(sample, columns, names, palette) for sample in samples]
    heights = [max(picture.height for _, picture in row) / DPI + TITLE + GAP for row in rows]
    maps = [m for sample in samples for m in (sample.truth, sample.predicted) if m is not None]
    lines = legend_lines(np.concatenate([each.ravel() for each in maps]), names, shares=False, palette=palette)
    whole = columns * (PAGE_TILE + GAP) + LEGEND
    figure = new_figure(whole, max(sum(heights), LINE * len(lines)) + GAP, dpi=DPI)
    top = 0.0
    for row, height in zip(rows, heights, strict=True):
        for column, (title, picture) in enumerate(row):
            _place(figure, GAP + column * (PAGE_TILE + GAP), top + TITLE + GAP, picture, title=title)
        top += height
    _draw_legend(figure, lines, left=whole - LEGEND + GAP)
    save_figure(figure, out, max_bytes=PHOTOGRAPH_BYTES)


def plot_class_iou(iou: Sequence[float], names: Sequence[str], out: Path) -> None:
    """Draws the IoU (0..1) of each class as bars, best first; classes without pixels, NaN, are counted in the title."""
    order = sorted((index for index, value in enumerate(iou) if value == value), key=lambda index: -iou[index])
    rows = max(1, len(order))
    figure = new_figure(5.0, 0.22 * rows, dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(rows, 0)
    for place, index in enumerate(order):
        axes.barh(place + 0.5, iou[index], height=0.7, color=BLUE)
        name = clip_name(names[index], 30)
        axes.text(-0.01, place + 0.5, name, ha="right", va="center", fontsize=8, color=INK)
        axes.text(iou[index] + 0.01, place + 0.5, f"{iou[index]:.3f}", va="center", fontsize=8, color=INK)
    mean = sum(iou[index] for index in order) / len(order) if order else float("nan")
    absent = f"\n{len(names) - len(order)} of {len(names)} classes have no pixels" if len(order) < len(names) else ""
    axes.set_title(f"IoU of each class; mean {mean:.4f}{absent}", fontsize=11, loc="left", color=INK)
    shrink_to_content(figure)
    save_figure(figure, out)


def _colour_table(names: Sequence[str], palette: Sequence[Colour] = ()) -> np.ndarray:
    """(max(K, 256), 3) uint8; of fewer than 256 classes the last one is of pixels to ignore."""
    table = np.full((max(len(names), MOST_IN_8_BITS), 3), IGNORED, dtype=np.uint8)
    for number, colour in enumerate(colours_of(len(names), palette)):
        table[number] = BEHIND if is_background(names[number]) and not palette else colour
    return table


def _shown(picture: Image.Image) -> Image.Image:
    side = min(SIDE, max(SMALLEST, *picture.size))
    return thumbnail(picture, side, side)


def _tiles(
    sample: SegmentationSample, columns: int, names: Sequence[str], palette: Sequence[Colour]
) -> list[tuple[str, Image.Image]]:
    """Titles and pictures of one row."""
    truth = _strongly(sample.image, sample.truth, names, palette)
    pictures = [(sample.title or "image", sample.image), ("ground truth", truth)]
    if columns == 3 and sample.predicted is not None:
        pictures.append(("prediction", _strongly(sample.image, sample.predicted, names, palette)))
    side = round(PAGE_TILE * DPI)
    return [(title, thumbnail(picture, side, side)) for title, picture in pictures]


def _strongly(image: Image.Image, classes: np.ndarray, names: Sequence[str], palette: Sequence[Colour]) -> Image.Image:
    return painted(image, classes, names, opacity=0.7, palette=palette)


def _place(figure: Figure, left: float, top: float, picture: Image.Image, *, title: str = "") -> None:
    """Draws `picture` at its own size; `left` and `top`, in inches, are where its upper left corner lies."""
    width, height = figure.get_size_inches()
    across, down = (length / DPI for length in picture.size)
    axes = figure.add_axes((left / width, 1 - (top + down) / height, across / width, down / height))
    axes.set_axis_off()
    axes.imshow(np.asarray(picture), interpolation="nearest", aspect="auto")
    if title:
        text = figure.text(left / width, 1 - (top - 0.05) / height, "", fontsize=8, color=INK)
        fit_text(text, "{}", title, inches=max(across, 1.2))


def legend_lines(
    classes: np.ndarray, names: Sequence[str], *, shares: bool = True, palette: Sequence[Colour] = ()
) -> list[tuple[str, Colour | None]]:
    """Texts, with each one's share of the pixels unless told otherwise, and colours of the classes that occur, those
    with most pixels first; long lists end in a sum. The background has no colour, as it is not painted."""
    counts = np.bincount(classes.ravel(), minlength=len(names))[: len(names)]
    order = [int(index) for index in np.argsort(-counts, kind="stable") if counts[index]]
    colours = colours_of(len(names), palette)

    def share(count: int) -> str:
        return f"  {percent(count / classes.size)}" if shares else ""

    lines: list[tuple[str, Colour | None]] = [
        (clip_name(names[index], 22) + share(counts[index]), None if is_background(names[index]) else colours[index])
        for index in order
    ]
    if len(lines) > MOST_NAMES:
        rest = sum(int(counts[index]) for index in order[MOST_NAMES:])
        lines[MOST_NAMES:] = [(f"{len(order) - MOST_NAMES} more{share(rest)}", IGNORED)]
    return lines


def _draw_legend(figure: Figure, lines: Sequence[tuple[str, Colour | None]], *, left: float) -> None:
    """From the top downwards, its left edge `left` inches from that of the figure; without a colour, an empty box."""
    width, height = figure.get_size_inches()
    for place, (text, colour) in enumerate(lines):
        bottom = height - GAP - LINE * (place + 1)
        box = Rectangle((left / width, bottom / height), 0.16 / width, 0.16 / height, transform=figure.transFigure)
        box.set(facecolor="none" if colour is None else hex_code(colour), edgecolor=hex_code(colour or IGNORED))
        figure.add_artist(box)
        figure.text((left + 0.24) / width, (bottom + 0.02) / height, text, fontsize=9, color=INK)
