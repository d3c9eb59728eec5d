"""A confusion matrix as a picture that can be read, for two classes or thousands.

Shapes: K classes, S shown classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from swinkit.errors import InputError
from swinkit.pictures.figure import GREY, INK, clip_name, new_figure, save_figure, shrink_to_content

MAX_CLASSES = 60
MOST_CONFUSED = 30
MAX_NUMBERED = 20


def plot_confusion(confusion: Tensor, classes: Sequence[str], out: Path) -> None:
    """Draws how often images of each class (rows) were taken for each class (columns).

    Colours are shares of the row, that is of all images of the true class, on a square-root scale, so that rare
    mistakes show. With up to 20 classes the counts are printed. Of more than 60 classes the 30 that are most confused
    are shown, neighbours those taken for one another. Rows of classes without images are grey.

    Args:
        confusion: (K, K) counts, rows the truth.
        classes: the K names.
        out: the PNG file to write.

    Raises:
        InputError: where the shapes do not fit, a count is negative, or `out` cannot be written.
    """
    counts = confusion.detach().cpu().numpy()
    size = len(classes)
    if size == 0 or counts.shape != (size, size) or (counts < 0).any():
        raise InputError(
            f"a confusion matrix of {size} classes should hold counts (K, K) with K = {size} > 0, "
            f"not {tuple(counts.shape)}{' with negative values' if (counts < 0).any() else ''}"
        )
    shown = np.arange(size) if size <= MAX_CLASSES else most_confused(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)  # (K, K)
    figure, axes = _square(len(shown))
    picture = _draw_shares(axes, shares[np.ix_(shown, shown)])
    absent = np.flatnonzero(totals == 0)
    names = [clip_name(classes[int(index)], 24) for index in shown]
    _draw_names(axes, names, [" (no images)" if index in absent else "" for index in shown])
    if size <= MAX_NUMBERED:
        _draw_counts(axes, counts, shares)
    _draw_scale(figure, axes, picture)
    note = f": the {len(shown)} most confused of {size:,} classes\n(mistakes for other classes are not shown)"
    title = f"Confusion{note if len(shown) < size else ''}\n{_accuracy(counts)}"
    axes.set_title(title, fontsize=11, loc="left", color=INK)
    shrink_to_content(figure)
    save_figure(figure, out)


def most_confused(counts: np.ndarray, *, limit: int = MOST_CONFUSED) -> np.ndarray:
    """Numbers of the `limit` classes with the largest mutual confusion, pair after pair, worst first.

    Pairs are ranked by the images of either class that were taken for the other; pairs that are never confused only
    fill up, in the order of the classes.
    """
    mutual = np.triu(counts + counts.T, k=1)
    pairs = np.flatnonzero(mutual)
    worst = pairs[np.argsort(-mutual.flat[pairs], kind="stable")]
    ranked = np.stack(np.unravel_index(worst, mutual.shape), axis=1).ravel()
    order = np.concatenate([ranked, np.arange(len(counts))])
    return np.array(list(dict.fromkeys(order.tolist()))[:limit])


def _accuracy(counts: np.ndarray) -> str:
    total = int(counts.sum())
    return f"{100 * int(counts.trace()) / total:.2f} % of {total:,} images right" if total else "no images"


def _square(shown: int) -> tuple[Figure, Axes]:
    """Axes whose cells are large enough for their labels; these lie outside the figure until it is fitted to them."""
    side = shown * _cell(shown)
    figure = new_figure(side, side)
    return figure, figure.add_axes((0, 0, 1, 1))


def _cell(shown: int) -> float:
    """Inches of a cell's side."""
    return max(3.0 / shown, 0.42 if shown <= MAX_NUMBERED else 0.2)


def _draw_shares(axes: Axes, shares: np.ndarray) -> AxesImage:
    colours = colormaps["Blues"].with_extremes(bad="#D9D9D9")
    picture = axes.imshow(shares, cmap=colours, norm=PowerNorm(0.5, vmin=0.0, vmax=1.0), interpolation="nearest")
    edges = np.arange(len(shares) + 1) - 0.5
    axes.set_xticks(edges, minor=True)
    axes.set_yticks(edges, minor=True)
    axes.grid(True, which="minor", color="white", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return picture


def _draw_names(axes: Axes, names: list[str], notes: list[str]) -> None:
    places = range(len(names))
    size = 9 if len(names) <= MAX_NUMBERED else 8
    fitting = max(map(len, names)) * 0.1 < _cell(len(names))
    axes.set_xticks(places, names, rotation=0 if fitting else 90, fontsize=size, color=INK)
    axes.set_yticks(places, [name + note for name, note in zip(names, notes, strict=True)], fontsize=size, color=INK)
    axes.set_xlabel("predicted class", fontsize=10, color=INK)
    axes.set_ylabel("true class", fontsize=10, color=INK)


def _draw_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    size = 11 if len(counts) <= 5 else 8
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > 0.35 else INK
            text = f"{count:,}" if count < 100_000 else f"{count / 1000:,.0f}k"
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)


def _draw_scale(figure: Figure, axes: Axes, picture: AxesImage) -> None:
    box = axes.get_position()
    width = figure.get_figwidth()
    beside = figure.add_axes((box.x1 + 0.18 / width, box.y0, 0.14 / width, box.height))
    scale = figure.colorbar(picture, cax=beside, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1])
    scale.ax.set_yticklabels(["0", "1", "5", "10", "25", "50", "75", "100"])
    scale.outline.set_visible(False)
    scale.ax.tick_params(labelsize=8, length=2, colors=GREY)
    scale.set_label("% of the images of the true class", fontsize=9, color=INK)
