"""What a segmentor saw in one image.

Shapes: H W image, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from swinkit.files import save_image
from swinkit.pictures.caption import captioned
from swinkit.pictures.figure import PHOTOGRAPH_BYTES, figure_to_image, percent, png_of, save_figure
from swinkit.segmentation.pictures import index_mask, legend_lines, painted, segmentation_figure

MOST_LINES = 8
"""A frame of a video names so many classes, those of the largest areas."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The class of every pixel of an image."""

    mask: np.ndarray
    """(H, W) whole numbers, 0..K-1: uint8, of more than 256 classes int16."""
    classes: tuple[str, ...]
    """Names of the K classes."""
    image: Image.Image = field(repr=False)
    """What was looked at, upright in 8-bit RGB."""
    palette: tuple[tuple[int, int, int], ...] = field(default=(), repr=False)
    """A colour for each class; empty for swinkit's own."""

    @cached_property
    def shares(self) -> dict[str, float]:
        """Share of the pixels, 0..1, of every class that occurs, largest first."""
        counts = np.sum([np.bincount(row, minlength=len(self.classes)) for row in self.mask], axis=0)
        order = np.argsort(-counts, kind="stable")
        return {self.classes[index]: float(counts[index] / self.mask.size) for index in order if counts[index]}

    def draw(self, *, side_by_side: bool = False) -> Image.Image:
        """The image under the colours of its classes, with a legend; `side_by_side` shows the image itself, too."""
        return figure_to_image(self._figure(side_by_side=side_by_side))

    def on_image(self) -> Image.Image:
        """The image at its own size under the colours of its classes, with their names in a corner: a frame of a
        video."""
        over = painted(self.image, self.mask, self.classes, palette=self.palette)
        return captioned(over, legend_lines(self.mask, self.classes, palette=self.palette)[:MOST_LINES])

    def save(self, path: str | Path, *, side_by_side: bool = False) -> Path:
        """Write what `draw` gives as PNG, in fewer colours where it is large; raises InputError where it cannot be
        written."""
        save_figure(self._figure(side_by_side=side_by_side), Path(path), max_bytes=PHOTOGRAPH_BYTES)
        return Path(path)

    def save_mask(self, path: str | Path) -> Path:
        """Write a PNG whose values are the classes: with a palette, of more than 256 classes grey with 16 bits; raises
        InputError where it cannot be written."""
        save_image(index_mask(self.mask, self.classes, palette=self.palette), Path(path))
        return Path(path)

    def _figure(self, *, side_by_side: bool) -> Figure:
        return segmentation_figure(self.image, self.mask, self.classes, side_by_side=side_by_side, palette=self.palette)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return png_of(self.draw())

    def to_dict(self) -> dict[str, Any]:
        """Plain data without the pixels, for which see `save_mask`."""
        return {"shares": dict(self.shares)}

    def __repr__(self) -> str:
        height, width = self.mask.shape
        shown = ", ".join(f"{name} {percent(share)}" for name, share in list(self.shares.items())[:3])
        more = f", {len(self.shares) - 3} more" if len(self.shares) > 3 else ""
        return f"Segmentation({height} x {width}: {shown}{more})"
