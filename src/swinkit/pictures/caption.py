"""Lines of text in the corner of an image, which keeps its size."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.patches import Rectangle
from PIL import Image, ImageChops

from swinkit.pictures.figure import clip_name, figure_to_image, new_figure
from swinkit.pictures.palette import Colour, hex_code

DPI = 100
SMALLEST, SHARE = 11, 0.026
"""The height of a letter in pixels, at least, and as a share of the image's longer side."""
LONGEST = 26
DARK = 0.35
"""The brightness that is left behind the text."""


def captioned(image: Image.Image, lines: Sequence[tuple[str, Colour | None]]) -> Image.Image:
    """`image` with lines of text in its lower left corner, on darkened ground; those that do not fit are left out.

    Args:
        image: RGB, of any size.
        lines: texts, each with the colour of the square before it, if any.
    """
    letter = max(SMALLEST, round(SHARE * max(image.size)))
    step = round(1.5 * letter)
    lines = lines[: max(0, (image.height - letter) // step)]
    if not lines:
        return image.copy()
    longest = max(len(clip_name(text, LONGEST)) for text, _ in lines)
    width = min(image.width, round((0.62 * longest + (2.4 if any(colour for _, colour in lines) else 1.2)) * letter))
    panel = _panel(lines, (width, step * len(lines) + letter // 2), letter, step)
    place = (0, image.height - panel.height)
    corner = image.crop((*place, panel.width, image.height)).point(lambda value: round(DARK * value))
    whole = image.copy()
    whole.paste(ImageChops.lighter(corner, panel), place)
    return whole


def _panel(lines: Sequence[tuple[str, Colour | None]], size: tuple[int, int], letter: int, step: int) -> Image.Image:
    """White text on black."""
    width, height = size
    figure = new_figure((width + 0.01) / DPI, (height + 0.01) / DPI, dpi=DPI)
    figure.set_facecolor("black")
    indented = any(colour for _, colour in lines)
    for number, (text, colour) in enumerate(lines):
        middle = 1 - (letter // 4 + step * (number + 0.5)) / height
        if colour is not None:
            square = Rectangle(
                (0.5 * letter / width, middle - 0.4 * letter / height), 0.8 * letter / width, 0.8 * letter / height
            )
            square.set(transform=figure.transFigure, color=hex_code(colour))
            figure.add_artist(square)
        left = (1.7 if indented else 0.6) * letter / width
        size_in_points = 0.78 * letter * 72 / DPI * 1.25
        words = clip_name(text, LONGEST)
        figure.text(left, middle, words, color="white", fontsize=size_in_points, va="center_baseline", ha="left")
    return figure_to_image(figure)
