"""What the tests of pictures share: names that try a drawing, and a look at the figure before it becomes a PNG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

# Mathematics, also broken; other scripts; control characters; bytes of a folder name that are no text; nothing at all.
AWKWARD_NAMES = ("$x^2$", r"$\frac{$", r"\alpha_$", "{}", "猫と犬", "🐱", "a\nb\tc\x00", "\udcff\udcfe", "", "w" * 300)


def pixels(path: Path) -> np.ndarray:
    """The (H, W, 3) uint8 values of a PNG file."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def capture_figure(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> Callable[[], Figure]:
    """Lets `module` save as ever, and gives the last figure that it saved."""
    saved: list[Figure] = []
    save = module.save_figure

    def save_and_keep(figure: Figure, out: Path, **options: int) -> None:
        saved.append(figure)
        save(figure, out, **options)

    monkeypatch.setattr(module, "save_figure", save_and_keep)
    return lambda: saved[-1]
