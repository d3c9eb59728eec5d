"""Brightness, contrast, saturation and hue, drawn as the published dense code's photometric distortion draws them.

All draws come from torch's global generator (`seeding.SeededDraws` seeds it per sample).
"""

import numpy as np
import torch
from PIL import Image

_BRIGHTNESS = 32.0  # added, up to this much either way, of 0..255
_FACTOR = (0.5, 1.5)  # of contrast and of saturation
_HUE = 18.0 / 180.0  # of the circle, up to this much either way


def distort(image: Image.Image) -> Image.Image:
    """Each with probability one half: brightness, contrast (before or after the colours), saturation, hue.

    Values are cut to 0..255 after every step, as in the published code, which takes the steps in 8 bits too.
    """
    image = _linear(image, add=_uniform(-_BRIGHTNESS, _BRIGHTNESS)) if _heads() else image
    contrast_first = _heads()
    if contrast_first and _heads():
        image = _linear(image, factor=_uniform(*_FACTOR))
    saturation = _uniform(*_FACTOR) if _heads() else None
    hue = _uniform(-_HUE, _HUE) if _heads() else None
    if saturation is not None or hue is not None:
        image = _recoloured(image, saturation or 1.0, hue or 0.0)
    if not contrast_first and _heads():
        image = _linear(image, factor=_uniform(*_FACTOR))
    return image


def _linear(image: Image.Image, *, factor: float = 1.0, add: float = 0.0) -> Image.Image:
    values = np.clip(np.arange(256) * factor + add, 0, 255).astype(np.uint8)
    return image.point(values.tolist() * 3)


def _recoloured(image: Image.Image, saturation: float, hue: float) -> Image.Image:
    parts = np.asarray(image.convert("HSV")).copy()
    parts[..., 0] = (parts[..., 0].astype(np.int64) + round(hue * 256)) % 256
    parts[..., 1] = np.clip(parts[..., 1] * saturation, 0, 255).astype(np.uint8)
    return Image.fromarray(parts, "HSV").convert("RGB")


def _heads() -> bool:
    return bool(torch.rand(()) < 0.5)


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
