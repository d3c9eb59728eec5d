"""From pixel values to what the backbones were trained on.

Shapes: B images, H W image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Triple = tuple[float, float, float]

PIXEL_MEAN: Triple = (123.675, 116.28, 103.53)
PIXEL_STD: Triple = (58.395, 57.12, 57.375)
"""Of ImageNet's red, green and blue, on the scale 0..255; 255 times what classifiers are normalised with."""


def normalise(images: Tensor, *, mean: Triple = PIXEL_MEAN, std: Triple = PIXEL_STD) -> Tensor:
    """RGB values 0..255 (..., 3, H, W), of any number type, to (values - mean) / std in float32 (double stays)."""
    values = images if images.dtype == torch.float64 else images.float()
    centre, spread = (values.new_tensor(triple)[:, None, None] for triple in (mean, std))
    return (values - centre) / spread


def normalised_batch(
    images: Sequence[Tensor], *, divisor: int = 32, mean: Triple = PIXEL_MEAN, std: Triple = PIXEL_STD
) -> Tensor:
    """Images (3, h, w) of values 0..255 and any sizes as one batch (B, 3, H, W), as in the published detection code:
    normalised, then padded right and bottom with zeros to the largest, and to multiples of `divisor`."""
    height, width = (-(-max(image.shape[axis] for image in images) // divisor) * divisor for axis in (1, 2))
    ready = [normalise(image, mean=mean, std=std) for image in images]
    return torch.stack([F.pad(x, (0, width - x.shape[2], 0, height - x.shape[1])) for x in ready])
