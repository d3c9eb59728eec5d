"""A page of images with what the model said and what is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image
from torch import Tensor

from swinkit.errors import InputError
from swinkit.pictures.figure import BLUE, INK, RED, fit_text, new_figure, save_figure
from swinkit.pictures.thumbnail import thumbnail

COLUMNS = 6
TILE = 1.2  # inches of the image's side
DPI = 100


@dataclass(frozen=True)
class PredictionSample:
    """One image with the class that the model gives the highest probability (0..1), and its true class.

    It is right where both names are the same, so the names of classes must differ.
    """

    image: Image.Image
    predicted: str
    probability: float
    truth: str

    @property
    def right(self) -> bool:
        return self.predicted == self.truth


def choose_predictions(
    correct: Tensor, probabilities: Tensor, *, count: int = 24, seed: int = 0
) -> tuple[list[int], list[int]]:
    """A fair page of `count` images: half drawn at random, half the worst mistakes among all others.

    Worst is what is wrong with the highest probability. Where mistakes are few, more are drawn at random. The same
    arguments choose the same images.

    Args:
        correct: (N,) bool, whether the model is right about each of N images.
        probabilities: (N,) of the predicted class, 0..1.

    Returns:
        Numbers of the images drawn at random and of the worst mistakes; no image is in both.
    """
    order = torch.randperm(len(correct), generator=torch.Generator().manual_seed(seed)).tolist()
    half = -(-count // 2)
    others = [index for index in order[half:] if not correct[index]]
    worst = sorted(others, key=lambda index: (-float(probabilities[index]), index))[: count - half]
    excluded = set(worst)
    drawn = [index for index in order if index not in excluded][: count - len(worst)]
    return drawn, worst


def plot_predictions(samples: Sequence[PredictionSample], out: Path, *, worst: Sequence[PredictionSample] = ()) -> None:
    """Draws a page of predictions: those drawn at random first, then the worst mistakes, each under its own title.

    `choose_predictions` chooses both. Right ones carry a blue tick, wrong ones a red cross and frame and the true
    class. A page is meant for about 24 images.

    Args:
        samples: drawn at random, so that the page shows what to expect.
        out: the PNG file to write.
        worst: mistakes with a high probability.

    Raises:
        InputError: where there is no sample or `out` cannot be written.
    """
    if not samples and not worst:
        raise InputError("a page of predictions needs at least one image")
    parts = [(title, part) for title, part in ((_random_title(samples), samples), (WORST_TITLE, worst)) if part]
    heights = [0.45 + _rows(part) * ROW for _, part in parts]
    figure = new_figure(COLUMNS * (TILE + GAP) + GAP, sum(heights) + 0.1, dpi=DPI)
    top = figure.get_figheight()
    for (title, part), height in zip(parts, heights, strict=True):
        _put_text(figure, GAP, top - 0.28, title, size=11, colour=INK)
        for place, sample in enumerate(part):
            row, column = divmod(place, COLUMNS)
            _draw_sample(figure, GAP + column * (TILE + GAP), top - 0.45 - row * ROW, sample)
        top -= height
    save_figure(figure, out)


WORST_TITLE = "The worst mistakes: wrong with the highest probability"
GAP = 0.24  # inches between images
ROW = TILE + 0.68  # inches from row to row: image, three lines of text


def _rows(part: Sequence[PredictionSample]) -> int:
    return -(-len(part) // COLUMNS)


def _random_title(samples: Sequence[PredictionSample]) -> str:
    return f"Drawn at random: {sum(sample.right for sample in samples)} of {len(samples)} right"


def _draw_sample(figure: Figure, left: float, top: float, sample: PredictionSample) -> None:
    """One image with its texts; (left, top) in inches from the figure's lower left corner."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, (top - TILE) / height, TILE / width, TILE / height))
    axes.set_axis_off()
    axes.set_anchor("S")
    side = round(TILE * DPI)
    picture = thumbnail(sample.image, side, side)
    axes.imshow(np.asarray(picture), interpolation="nearest")
    colour, mark = (BLUE, "✓") if sample.right else (RED, "✗")
    if not sample.right:
        frame = Rectangle((-2.5, -2.5), picture.width + 4, picture.height + 4, fill=False, color=RED, linewidth=2.5)
        frame.set_clip_on(False)
        axes.add_patch(frame)
    predicted = _put_text(figure, left, top - TILE - 0.17, "", size=8, colour=colour)
    fit_text(predicted, f"{mark} {{}}", sample.predicted, inches=TILE + 0.14)
    _put_text(figure, left, top - TILE - 0.32, f"{100 * sample.probability:.0f} %", size=8, colour=colour)
    if not sample.right:
        true = _put_text(figure, left, top - TILE - 0.47, "", size=8, colour=INK)
        fit_text(true, "true: {}", sample.truth, inches=TILE + 0.14)


def _put_text(figure: Figure, left: float, bottom: float, text: str, *, size: float, colour: str) -> Text:
    width, height = figure.get_size_inches()
    return figure.text(left / width, bottom / height, text, fontsize=size, color=colour, va="baseline")
