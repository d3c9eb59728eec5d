"""A 3 x 3 convolution over maps of several sizes: the formula, or on a CPU products of the maps as they are.

Shapes: B images, H W largest map, C channels, D channels out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from swinkit.cpu.pyramid_convolution import pyramid_in_products, pyramid_obstacle
from swinkit.ops.backends import Backend, chooses_cpu
from swinkit.ops.tracing import is_fx


def reference_pyramid_convolution(maps: Sequence[Tensor], weight: Tensor) -> Tensor:
    """See `pyramid_convolution`."""
    return F.conv2d(brought_together(maps), weight, padding=weight.shape[2] // 2)


def brought_together(maps: Sequence[Tensor]) -> Tensor:
    """Maps (B, C_i, h_i, w_i) bilinearly at the size of the first, corners not aligned: (B, sum of the C_i, H, W)."""
    size = maps[0].shape[2:]
    resized = (F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in maps[1:])
    return torch.cat([maps[0], *resized], 1)


def pyramid_convolution(maps: Sequence[Tensor], weight: Tensor, *, backend: Backend = "auto") -> Tensor:
    """Maps brought bilinearly to the size of the first, concatenated, convolved without bias: (B, D, H, W).

    Args:
        maps: (B, C_i, h_i, w_i), the first the largest; corners are not aligned.
        weight: (D, sum of the C_i, k, k), k odd; the map's size stays.
        backend: see `Backend`.
    """
    if is_fx(maps[0]):
        return reference_pyramid_convolution(maps, weight)
    if chooses_cpu("pyramid_convolution", backend, obstacle=pyramid_obstacle(maps, weight)):
        return pyramid_in_products(maps, weight)
    return reference_pyramid_convolution(maps, weight)
