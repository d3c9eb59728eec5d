"""What is kept of one forward pass of a segmentor.

Shapes: H W image, h w image as it is shown, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from swinkit.ops.labels import IGNORE
from swinkit.pictures.figure import percent
from swinkit.pictures.palette import colours_of, hex_code, is_background
from swinkit.pictures.thumbnail import fitted_size
from swinkit.segmentation.pictures import painted
from swinkit.segmentation.predictor import Segmentor
from swinkit.segmentation.result import Segmentation
from swinkit.web.markup import outline, picture, reduced, text

REGION_SIDE = 320
"""Regions that can be pointed at are as fine as a map of so many pixels a side."""
MOST_ENTRIES = 40
"""The legend names so many classes, and so many can be pointed at."""
HIDDEN = "background"
"""What is behind everything, and not painted."""


@dataclass(frozen=True)
class KeptPixels:
    """The class of every pixel, from which any classes are painted later."""

    result: Segmentation
    """(h, w)."""
    shares: dict[str, float]
    """Of the image itself: the share of the pixels of every class that occurs, 0..1, largest first."""

    @cached_property
    def regions(self) -> dict[str, str]:
        """The outlines of the classes that occur, as SVG paths in cells of `cells`."""
        across, down = self.cells
        few = _resized(self.result.mask, (across, down))
        numbers = {name: number for number, name in enumerate(self.result.classes)}
        return {name: outline(few == numbers[name]) for name in list(self.shares)[:MOST_ENTRIES]}

    @property
    def cells(self) -> tuple[int, int]:
        """Across and down."""
        return fitted_size(self.result.image.size, REGION_SIDE, REGION_SIDE)

    def names(self, least: float, top: int) -> list[str]:
        """The classes with at least the share `least` of the pixels, 0..1, at most `top`."""
        return [name for name, share in self.shares.items() if share >= least][:top]

    def chosen(self, least: float, top: int) -> Segmentation:
        """The classes as they are, and all others as background, which is not painted."""
        names = self.names(least, top)
        kept = self.result
        hidden = [number for number, name in enumerate(kept.classes) if name in self.shares and name not in names]
        if not hidden:
            return kept
        if len(kept.classes) >= IGNORE:  # there is no number left for what is not painted
            return kept
        mask = kept.mask.astype(np.int16)
        mask[np.isin(mask, hidden)] = len(kept.classes)
        palette = (*kept.palette, (0, 0, 0)) if kept.palette else ()
        return Segmentation(mask, (*kept.classes, HIDDEN), kept.image, palette)

    def html(self, least: float, top: int) -> str:
        """The painted image, whose regions can be pointed at, and a legend that points at them, too."""
        shown, names = self.chosen(least, top), self.names(least, top)
        over = painted(shown.image, shown.mask, shown.classes, palette=shown.palette)
        colours = dict(zip(self.result.classes, colours_of(len(self.result.classes), self.result.palette), strict=True))
        paths, entries = [], []
        for number, name in enumerate(names[:MOST_ENTRIES]):
            code, label = hex_code(colours[name]), f"{text(name)} {percent(self.shares[name])}"
            paths.append(
                f'<path class="k{number}" d="{self.regions[name]}" style="--colour:{code}">'
                f"<title>{label}</title></path>"
            )
            swatch = "transparent" if is_background(name) else code
            entries.append(
                f'<li class="k{number}" tabindex="0"><i style="background:{swatch}"></i>{text(name)} '
                f"<b>{percent(self.shares[name])}</b></li>"
            )
        if len(names) > MOST_ENTRIES:
            entries.append(f"<li>{len(names) - MOST_ENTRIES} classes more</li>")
        width, height = shown.image.size
        across, down = self.cells
        return (
            f'<div class="painted"><div class="stage" style="--ratio:{width / height:.4f}">'
            f"{picture(over, 'the picture under the colours of its classes')}"
            f'<svg class="regions" viewBox="0 0 {across} {down}" preserveAspectRatio="none">'
            f"{''.join(paths)}</svg></div>"
            f'<ul class="legend" aria-label="classes and their shares">{"".join(entries)}</ul></div>'
        )

    def picture(self, least: float, top: int) -> Image.Image:
        """The painted image with a legend."""
        return self.chosen(least, top).draw()

    def data(self, least: float, top: int) -> Any:
        """Plain data: the shares."""
        return {"shares": {name: self.shares[name] for name in self.names(least, top)}}


def look_at_pixels(segmentor: Segmentor, image: Image.Image) -> KeptPixels:
    """One forward pass."""
    result = segmentor.predict(image)
    assert isinstance(result, Segmentation)
    small = reduced(image)
    mask = _resized(result.mask, small.size)
    return KeptPixels(Segmentation(mask, result.classes, small, result.palette), dict(result.shares))


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map of classes (H, W) with so many pixels across and down, each the one at its middle."""
    columns, rows = (
        ((np.arange(new) + 0.5) * (old / new)).astype(np.int64) for new, old in zip(size, mask.shape[::-1], strict=True)
    )
    return mask[rows][:, columns]
