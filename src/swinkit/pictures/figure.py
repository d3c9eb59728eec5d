"""A figure outside all global state, names that stay names, and a PNG that is never half-written."""

from __future__ import annotations

import io
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from swinkit.errors import InputError
from swinkit.files import written_whole

# Distinct for every kind of colour vision (Okabe and Ito 2008); a mark or a word always says the same as the colour.
BLUE, RED, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#C8102E", "#009E73", "#E69F00", "#8E4585", "#56B4E9"
INK, GREY, PALE = "#222222", "#6E6E6E", "#E6E6E6"

MAX_BYTES = 300_000
PHOTOGRAPH_BYTES = 2_000_000
"""For pictures that are mostly photographs, whose colours matter."""

# Fonts of the usual systems for scripts that DejaVu Sans lacks; those that are installed are asked in this order.
FALLBACK_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Symbols 2",
)


def new_figure(width: float, height: float, *, dpi: int = 100) -> Figure:
    """A white figure of width x height inches with a canvas of its own."""
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def quiet_axes(axes: Axes) -> None:
    """Leaves of the frame what is read: the left and the bottom line, and a pale grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(True, color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)


def clip_name(name: str, width: int) -> str:
    """`name` on one line of at most `width` columns (a wide East Asian character fills two), the rest as an ellipsis.

    Line breaks become spaces; what cannot be drawn (no installed font has it, or it is no text) becomes "\ufffd".
    """
    name = "".join(map(_drawable, name)).strip() or "(no name)"
    if _columns(name) <= width:
        return name
    while name and _columns(name) > width - 1:
        name = name[:-1]
    return name.rstrip() + "…"


def _drawable(character: str) -> str:
    if character.isspace():
        return " "
    if unicodedata.category(character) == "Cf":  # invisible joiners and direction marks
        return ""
    return character if character.isprintable() and ord(character) in _characters() else "\ufffd"


@cache
def _characters() -> frozenset[int]:
    """Code points of all characters that the fonts can draw."""
    fonts = [font_manager.get_font(font_manager.findfont(family)) for family in _font_families()]
    return frozenset(code for font in fonts for code in font.get_charmap())


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def percent(share: float) -> str:
    """A share, 0..1, as "12.3 %"; what is there is never "0.0 %"."""
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def fit_text(text: Text, pattern: str, name: str, *, inches: float) -> None:
    """Sets `text` to `pattern` with `name` in the place of {}, clipped so that all of it is at most `inches` wide."""
    _make_plain(text)
    figure = text.figure
    assert isinstance(figure, Figure)
    for width in range(_columns(clip_name(name, 80)), 0, -1):
        text.set_text(pattern.format(clip_name(name, width)))
        if text.get_window_extent(_canvas(figure).get_renderer()).width <= inches * figure.dpi:
            return


def shrink_to_content(figure: Figure, *, margin: float = 0.15) -> None:
    """Gives `figure` the size of what is drawn, labels too, and `margin` inches around it; axes keep their size."""
    for text in figure.findobj(Text):
        _make_plain(text)
    content = figure.get_tightbbox(_canvas(figure).get_renderer()).padded(margin)
    old = figure.get_size_inches()
    figure.set_size_inches(content.width, content.height)
    for axes in figure.axes:
        place = axes.get_position(original=True)
        corners = (place.get_points() * old - content.min) / content.size
        axes.set_position(Bbox(corners))


def figure_to_image(figure: Figure) -> Image.Image:
    """The figure as an RGB image. Texts are drawn as they are: no mathematics between dollar signs, no TeX."""
    for text in figure.findobj(Text):
        _make_plain(text)
    canvas = _canvas(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def png_of(picture: Image.Image) -> bytes:
    """The picture as the content of a PNG file, as notebooks take it."""
    return _encoded(picture, 100)


def save_figure(figure: Figure, out: Path, *, max_bytes: int = MAX_BYTES) -> None:
    """Draws `figure` and writes it to the PNG file `out`, whole or not at all; makes the folder where it is missing.

    In pictures over `max_bytes`, colours are reduced to 256 or fewer.

    Raises:
        InputError: where `out` is not named .png or cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise InputError(f"pictures are written as PNG; name {out} with the ending .png")
    content = _png(figure, max_bytes)
    with written_whole(out) as temporary:
        temporary.write_bytes(content)


def _make_plain(text: Text) -> None:
    text.set_parse_math(False)
    text.set_usetex(False)
    text.set_fontfamily(_font_families())


@cache
def _font_families() -> list[str]:
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in FALLBACK_FONTS if name in installed)]


def _canvas(figure: Figure) -> FigureCanvasAgg:
    assert isinstance(figure.canvas, FigureCanvasAgg)
    return figure.canvas


def _png(figure: Figure, max_bytes: int) -> bytes:
    picture = figure_to_image(figure)
    content = _encoded(picture, figure.dpi)
    for colours in (256, 128, 64, 32):
        if len(content) <= max_bytes:
            break
        content = _encoded(picture.quantize(colours), figure.dpi)
    return content


def _encoded(picture: Image.Image, dpi: float) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True, dpi=(dpi, dpi))
    return buffer.getvalue()
