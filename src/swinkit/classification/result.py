"""What a classifier sees in one image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from swinkit.classification.pictures.annotation import annotated_image
from swinkit.pictures.caption import captioned
from swinkit.pictures.figure import figure_to_image, percent, png_of, save_figure

MOST_BARS = 20
"""A picture shows no more classes than this."""
MOST_LINES = 5
"""And a frame of a video no more than this."""


@dataclass(frozen=True, repr=False)
class Classification:
    """The most probable classes of one image, best first."""

    classes: tuple[str, ...]
    """Their names."""
    probabilities: tuple[float, ...]
    """Their probabilities, 0..1; those of all classes of the model sum to 1."""
    image: Image.Image = field(compare=False)
    """The whole image, upright, in RGB."""

    @property
    def best(self) -> str:
        """The most probable class."""
        return self.classes[0]

    def draw(self) -> Image.Image:
        """The image and, beside it, a chart of its most probable classes."""
        return figure_to_image(self._figure())

    def on_image(self) -> Image.Image:
        """The image at its own size, with its most probable classes in a corner: a frame of a video."""
        pairs = list(zip(self.classes, self.probabilities, strict=True))[:MOST_LINES]
        return captioned(self.image, [(f"{percent(probability)}  {name}", None) for name, probability in pairs])

    def save(self, path: str | Path) -> None:
        """Write what `draw` gives as PNG; raises InputError where it cannot be written."""
        save_figure(self._figure(), Path(path))

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return png_of(self.draw())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as JSON has it."""
        pairs = zip(self.classes, self.probabilities, strict=True)
        return {"predictions": [{"class": name, "probability": probability} for name, probability in pairs]}

    def __repr__(self) -> str:
        pairs = list(zip(self.classes, self.probabilities, strict=True))
        shown = ", ".join(f"{name!r} {probability:.4f}" for name, probability in pairs[:5])
        return f"Classification({shown}{', ...' if len(pairs) > 5 else ''})"

    def _figure(self) -> Figure:
        pairs = list(zip(self.classes, self.probabilities, strict=True))
        return annotated_image(self.image, pairs[:MOST_BARS])
