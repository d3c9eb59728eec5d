"""Any image, small enough and large enough to be looked at."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

PIXEL_ART = 64
"""Images whose longer side has at most so many pixels are shown pixel by pixel, larger ones are interpolated."""


def thumbnail(image: Image.Image, width: int, height: int) -> Image.Image:
    """`image` as RGB, upright, in its own proportions, as large as fits into width x height pixels."""
    image = as_rgb(ImageOps.exif_transpose(image))
    size = fitted_size(image.size, width, height)
    enlarged = max(size) > max(image.size) and max(image.size) <= PIXEL_ART
    method = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
    return image.resize(size, method, reducing_gap=3.0)


def fitted_size(size: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """The (width, height) that an image of `size` (width, height) has as a thumbnail."""
    scale = min(width / size[0], height / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def as_rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB: transparency on white, more than 8 bits scaled to the brightest value."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float64)).clip(min=0)
        image = Image.fromarray((values * (255 / max(values.max(), 1e-12))).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")
