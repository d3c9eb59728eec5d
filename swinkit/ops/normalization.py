"""From pixel values to what the backbones were trained on.

Shapes: B images, H W image.
"""

from __future__ import annotations

import torch
from torch import Tensor

Triple = tuple[float, float, float]

PIXEL_MEAN: Triple = (123.675, 116.28, 103.53)
PIXEL_STD: Triple = (58.395, 57.12, 57.375)
"""Of ImageNet's red, green and blue, on the scale 0..255; 255 times what classifiers are normalised with."""


def normalise(images: Tensor, *, mean: Triple = PIXEL_MEAN, std: Triple = PIXEL_STD) -> Tensor:
    """RGB values 0..255 (..., 3, H, W), of any number type, to (values - mean) / std in float32 (double stays)."""
    values = images if images.dtype == torch.float64 else images.float()
    centre, spread = (values.new_tensor(triple)[:, None, None] for triple in (mean, std))
    return (values - centre) / spread
