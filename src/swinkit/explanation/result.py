"""Where in an image a model's classes come from, as something to look at and to write down.

Shapes: H W image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from swinkit.explanation.activation import Method
from swinkit.explanation.frame import Frame
from swinkit.explanation.pictures import Panel, heatmap_figure
from swinkit.pictures.figure import PHOTOGRAPH_BYTES, figure_to_image, png_of, save_figure

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the image."""


@dataclass(frozen=True, eq=False)
class ClassMap:
    """Where one thing that was said of an image comes from."""

    name: str
    """The class."""
    score: float
    """Of a class its probability, of a detection its score, of a segmented class its share of the pixels; 0..1."""
    heatmap: np.ndarray = field(repr=False)
    """(H, W) float32, 0..1; 0 where nothing speaks for it, and everywhere where nothing in the image does."""
    stage: int
    """Which feature of the backbone was looked at, from 0."""
    stride: int
    """Pixels of the model's input that a cell of that feature stands for."""
    box: Box | None = None
    """Of a detection."""

    @cached_property
    def peak(self) -> tuple[float, float] | None:
        """x and y of the highest place, in pixels of the image, in the middle of those that are as high; None where
        nothing speaks for it."""
        highest = self.heatmap.max(initial=0.0)
        if highest <= 0:
            return None
        rows, columns = np.nonzero(self.heatmap >= highest)
        return float(columns.mean()) + 0.5, float(rows.mean()) + 0.5

    def to_dict(self) -> dict[str, Any]:
        """Plain data without the pixels."""
        said: dict[str, Any] = {"class": self.name, "score": self.score}
        if self.box is not None:
            said["box"] = list(self.box)
        peak = None if self.peak is None else list(self.peak)
        return said | {"peak": peak, "stage": self.stage, "stride": self.stride}


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """The class activation maps of one image: of a classifier's classes, of detections, or of segmented classes."""

    image: Image.Image
    """Upright, in RGB."""
    maps: tuple[ClassMap, ...]
    """Highest score first; empty where nothing was found."""
    method: Method
    frame: Frame
    """What of the image the model was shown."""

    @cached_property
    def heatmap(self) -> np.ndarray:
        """(H, W) float32, 0..1: the highest of the maps at every pixel; of a single map that map."""
        if not self.maps:
            return np.zeros((self.image.height, self.image.width), dtype=np.float32)
        return np.maximum.reduce([each.heatmap for each in self.maps])

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, which: int) -> Explanation:
        """The explanation with one of the maps alone; raises IndexError where there is none."""
        return replace(self, maps=(self.maps[which],))

    def __iter__(self) -> Iterator[Explanation]:
        return (self[number] for number in range(len(self)))

    def draw(self) -> Image.Image:
        """The image and, beside it, each map over it, with its peak, and the box of a detection."""
        return figure_to_image(self._figure())

    def save(self, path: str | Path) -> Path:
        """Write what `draw` gives as PNG; raises InputError where it cannot be written."""
        save_figure(self._figure(), Path(path), max_bytes=PHOTOGRAPH_BYTES)
        return Path(path)

    def to_dict(self) -> dict[str, Any]:
        """Plain data without the pixels, as JSON has it."""
        maps = [each.to_dict() for each in self.maps]
        return {"method": self.method, "seen": list(self.frame.seen), "maps": maps}

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return png_of(self.draw())

    def __repr__(self) -> str:
        shown = ", ".join(f"{each.name!r} {each.score:.3f}" for each in self.maps[:5])
        return f"Explanation({shown or 'nothing found'}{', ...' if len(self) > 5 else ''})"

    def _figure(self) -> Figure:
        seen = self.frame.cut_out
        panels = [
            Panel(f"{each.name} {each.score:.3f}", each.heatmap, peak=each.peak, box=each.box, seen=seen)
            for each in self.maps
        ]
        return heatmap_figure(self.image, panels)
