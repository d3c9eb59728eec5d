"""How large an image becomes, and the way the published dense code resizes it.

Shapes: C channels, H W image.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

MOST_AT_ONCE = 2**26
"""Values of an image that are made into float32 together; of larger ones one channel at a time."""


def resized_shape(height: int, width: int, scale: float, limits: tuple[int, int] | None) -> tuple[int, int]:
    """The size at which an image is shown: within (shorter, longer) `limits` times `scale`, or itself times `scale`.

    The published code's rounding: limits down, sides to the nearest. Proportions stay; no side falls below 1.
    """
    if limits is not None:
        shorter, longer = (int(limit * scale) for limit in sorted(limits))
        scale = min(longer / max(height, width), shorter / min(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def resized_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Values 0..255 (C, H, W) bilinearly at another size, without smoothing, rounded to whole values.

    So the published code resizes its 8-bit images. 8-bit images stay 8-bit, others become float32.
    """
    if size == tuple(image.shape[1:]):
        return image
    if image.dtype == torch.uint8 and image.shape[0] > 1 and image.numel() > MOST_AT_ONCE:
        return torch.cat([resized_image(channel[None], size) for channel in image])
    resized = F.interpolate(image[None].float(), size=size, mode="bilinear", align_corners=False)[0].round_()
    return resized.to(torch.uint8) if image.dtype == torch.uint8 else resized
