"""Pieces of HTML: texts, pictures and outlines."""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import numpy as np
from PIL import Image

from swinkit.pictures.thumbnail import PIXEL_ART, fitted_size

SIDE = 1280
"""Pictures are shown with at most this many pixels a side."""
JPEG_QUALITY = 90


def text(words: str) -> str:
    """Any text as HTML, harmless in templates, too."""
    return html.escape(words).replace("{", "&#123;").replace("}", "&#125;").replace("$", "&#36;")


def reduced(image: Image.Image) -> Image.Image:
    """The image, made smaller where a side has more than `SIDE` pixels."""
    if max(image.size) <= SIDE:
        return image
    return image.resize(fitted_size(image.size, SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)


def picture(image: Image.Image, description: str) -> str:
    """The image itself, within the text; a tiny one is enlarged pixel by pixel."""
    buffer = io.BytesIO()
    is_tiny = max(image.size) <= PIXEL_ART
    image.save(buffer, "PNG" if is_tiny else "JPEG", quality=JPEG_QUALITY)
    kind = "png" if is_tiny else "jpeg"
    content = base64.b64encode(buffer.getvalue()).decode("ascii")
    style = ' class="tiny"' if is_tiny else ""
    return f'<img{style} alt="{text(description)}" src="data:image/{kind};base64,{content}">'


def outline(mask: np.ndarray) -> str:
    """The edge of what is above 0.5 in a mask (h, w) as an SVG path, whose unit is a cell of the mask."""
    import contourpy  # of the extra, which the command asks for

    padded = np.pad(mask.astype(np.float32), 1)
    lines: Any = contourpy.contour_generator(z=padded).lines(0.5)
    # The middle of cell 0 lies at 0.5, and the padding has moved all by 1.
    return "".join(f"M{'L'.join(f'{x - 0.5:.1f} {y - 0.5:.1f}' for x, y in line)}Z" for line in lines)


def problem(sentence: str) -> str:
    """What went wrong, where the result would stand."""
    return f'<p class="problem" role="alert">{text(sentence)}.</p>'


def hint(sentence: str) -> str:
    """What there is to do, where the result will stand."""
    return f'<p class="hint">{text(sentence)}</p>'
