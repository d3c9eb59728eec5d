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
    """Values 0..255 (C, H, W) bilinearly at another size, without smoothing, in whole values.

    8-bit images stay 8-bit and are what the published code makes of them by OpenCV, bit for bit; others become float32
    and are rounded.
    """
    if size == tuple(image.shape[1:]):
        return image
    if image.shape[0] > 1 and image.dtype == torch.uint8 and image.numel() > MOST_AT_ONCE:
        return torch.cat([resized_image(channel[None], size) for channel in image])
    if image.dtype == torch.uint8:
        return _resized_bytes(image, size)
    return F.interpolate(image[None].float(), size=size, mode="bilinear", align_corners=False)[0].round_()


_ROWS = 32
"""Worked on at a time, so that they stay in the cache: twice as fast as all at once."""


def _resized_bytes(image: Tensor, size: tuple[int, int]) -> Tensor:
    """As OpenCV does it for 8 bits: weights of 11 bits, of whose sums with 22 bits 4 are cut off after the columns, 16
    after the rows, and of the last two the value is rounded."""
    height, width = image.shape[1:]
    left, share = _places(width, size[1], image.device)
    share[(left < 0) | (left >= width - 1)] = 0
    left, right, at_left, at_right = (*_neighbours(left, width), *_weights(share))
    wide = image.new_empty(image.shape[0], height, size[1], dtype=torch.int32)
    for start in range(0, height, _ROWS):
        rows = image[:, start : start + _ROWS].int()
        sums = rows[:, :, left].mul_(at_left).addcmul_(rows[:, :, right], at_right)
        wide[:, start : start + _ROWS] = sums.bitwise_right_shift_(4)
    above, share = _places(height, size[0], image.device)
    above, below, at_top, at_bottom = (*_neighbours(above, height), *(each[:, None] for each in _weights(share)))
    resized = image.new_empty(image.shape[0], *size)
    for start in range(0, size[0], _ROWS):
        part = slice(start, start + _ROWS)
        upper = wide[:, above[part]].mul_(at_top[part]).bitwise_right_shift_(16)
        lower = wide[:, below[part]].mul_(at_bottom[part]).bitwise_right_shift_(16)
        resized[:, part] = upper.add_(lower).add_(2).bitwise_right_shift_(2)
    return resized


def _places(length: int, new_length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Of each new pixel the old one at or before its centre, -1 to length - 1, and how far behind it lies, 0..1."""
    scale = 1 / (new_length / length)  # not length / new_length, which may round otherwise
    centres = (torch.arange(new_length, dtype=torch.float64, device=device) + 0.5) * scale - 0.5
    before = centres.float().floor()
    return before.long(), centres.float() - before


def _neighbours(before: Tensor, length: int) -> tuple[Tensor, Tensor]:
    return before.clamp(0, length - 1), (before + 1).clamp(0, length - 1)


def _weights(share: Tensor) -> tuple[Tensor, Tensor]:
    return ((1 - share) * 2048).round().int(), (share * 2048).round().int()
