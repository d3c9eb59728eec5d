"""Heatmaps over an image, side by side.

Shapes: H W image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from swinkit.pictures.figure import INK, SKY, fit_text, new_figure
from swinkit.pictures.thumbnail import thumbnail

DPI = 100
SIDE = 448
"""Pixels of a panel's longer side at most, and at least `SMALLEST`."""
SMALLEST = 224
COLUMNS = 4
GAP, TITLE = 0.12, 0.22
"""Inches between panels, and of the line above each."""
COLOURS = "inferno"
FAINTEST, STRONGEST = 0.25, 0.7
"""How much of the colours covers the image where the heatmap is 0 and where it is 1."""
MARK = "#00E5FF"
"""Of places and boxes: seen on all of the colours."""


@dataclass(frozen=True)
class Panel:
    """One heatmap and what is marked on it; places are in pixels of the image."""

    title: str
    heatmap: np.ndarray
    """(H, W), 0..1."""
    peak: tuple[float, float] | None = None
    """A cross."""
    box: tuple[float, float, float, float] | None = None
    """A rectangle: left, top, right, bottom."""
    seen: tuple[float, float, float, float] | None = None
    """A dashed rectangle: what the model was shown, where that is not all."""
    place: tuple[float, float] | None = None
    """A ring."""
    columns: tuple[float, ...] = ()
    rows: tuple[float, ...] = ()
    """Upright and level lines within `seen`, or the image."""


def heatmap_figure(image: Image.Image, panels: Sequence[Panel], *, original: bool = True) -> Figure:
    """The image itself, if `original`, and every panel, up to four in a row."""
    side = min(SIDE, max(SMALLEST, *image.size))
    shown = thumbnail(image, side, side)
    tiles: list[tuple[str, Image.Image, Panel | None]] = [("image", shown, None)] if original or not panels else []
    tiles += [(panel.title, overlaid(shown, panel.heatmap), panel) for panel in panels]
    across, down = shown.width / DPI, shown.height / DPI
    columns = min(COLUMNS, len(tiles))
    lines = -(-len(tiles) // columns)
    width, height = columns * (across + GAP) + GAP, lines * (down + TITLE + GAP) + GAP
    figure = new_figure(width, height, dpi=DPI)
    for number, (title, picture, panel) in enumerate(tiles):
        left = GAP + number % columns * (across + GAP)
        top = GAP + number // columns * (down + TITLE + GAP) + TITLE
        axes = figure.add_axes((left / width, 1 - (top + down) / height, across / width, down / height))
        axes.set_axis_off()
        # In pixels of the image, so that marks need no other.
        axes.imshow(np.asarray(picture), extent=(0, image.width, image.height, 0), aspect="auto")
        axes.set_autoscale_on(False)
        if panel is not None:
            _mark(axes, panel, image.size)
        text = figure.text(left / width, 1 - (top - 0.05) / height, "", fontsize=8, color=INK)
        fit_text(text, "{}", title, inches=across)
    return figure


def overlaid(image: Image.Image, heatmap: np.ndarray) -> Image.Image:
    """`image` under the colours of a heatmap (H, W), 0..1, of any size."""
    plain = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    heat = np.asarray(Image.fromarray(heatmap.astype(np.float32)).resize(image.size, Image.Resampling.BILINEAR))
    heat = heat.clip(0, 1)
    colours = matplotlib.colormaps[COLOURS](heat)[..., :3]
    share = (FAINTEST + (STRONGEST - FAINTEST) * heat)[..., None]
    return Image.fromarray(np.rint(255 * (plain * (1 - share) + colours * share)).astype(np.uint8))


def _mark(axes: Axes, panel: Panel, size: tuple[int, int]) -> None:
    left, top, right, bottom = panel.seen or (0.0, 0.0, float(size[0]), float(size[1]))
    for x in panel.columns:
        axes.plot([x, x], [top, bottom], color=SKY, linewidth=0.7, alpha=0.9)
    for y in panel.rows:
        axes.plot([left, right], [y, y], color=SKY, linewidth=0.7, alpha=0.9)
    if panel.seen is not None:
        _rectangle(axes, panel.seen, linestyle="--", linewidth=0.9)
    if panel.box is not None:
        _rectangle(axes, panel.box, linestyle="-", linewidth=1.4)
    if panel.peak is not None:
        axes.plot(*panel.peak, marker="+", markersize=11, markeredgewidth=1.6, color=MARK)
    if panel.place is not None:
        axes.plot(*panel.place, marker="o", markersize=7, markeredgewidth=1.4, color=MARK, fillstyle="none")


def _rectangle(axes: Axes, box: tuple[float, float, float, float], *, linestyle: str, linewidth: float) -> None:
    left, top, right, bottom = box
    style: dict[str, Any] = {"fill": False, "edgecolor": MARK, "linestyle": linestyle, "linewidth": linewidth}
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, **style))
