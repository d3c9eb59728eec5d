"""Corner pooling (CornerNet, arXiv 1808.01244): every place learns what lies in the two directions of a corner.

Shapes: B images, C channels, D inner channels, H W map.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.layers.conv import ConvGroupNorm, GroupNorm
from swinkit.ops.windows import are_symbols

Corner = Literal["top_left", "bottom_right"]


class CornerPool(nn.Module):
    """(B, C, H, W) to (B, C, H, W). Names are those of the official `hem_tl` and `hem_br`.

    Args:
        channels: C.
        inner: D.
        corner: "top_left" looks downwards and to the right, "bottom_right" upwards and to the left.
        groups: of group norm; two of the norms have 32 whatever it says, as published, where 32 divides C.
    """

    def __init__(self, channels: int, inner: int, *, corner: Corner, groups: int) -> None:
        super().__init__()
        self.looks_back = corner == "top_left"
        fixed = 32 if channels % 32 == 0 else groups
        self.p1_conv1 = ConvGroupNorm(channels, inner, 3, groups=groups)
        self.p2_conv1 = ConvGroupNorm(channels, inner, 3, groups=groups)
        self.p_conv1 = nn.Conv2d(inner, channels, 3, padding=1, bias=False)
        self.p_gn1 = GroupNorm(fixed, channels)
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.gn1 = GroupNorm(fixed, channels)
        self.conv2 = ConvGroupNorm(channels, channels, 1, groups=groups)
        for part in (self.p1_conv1, self.p2_conv1, self.conv2):
            nn.init.kaiming_normal_(part.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        vertical = running_max(self.p1_conv1(x), 2, backwards=self.looks_back)
        sideways = running_max(self.p2_conv1(x), 3, backwards=self.looks_back)
        pooled = self.p_gn1(self.p_conv1(vertical + sideways))
        return self.conv2(F.relu(pooled + self.gn1(self.conv1(x))))


def running_max(x: Tensor, dim: int, *, backwards: bool) -> Tensor:
    """The largest value so far along a dimension, from its end on where `backwards`."""
    if are_symbols(x.shape[dim]):
        return pooled_max(x, dim, backwards=backwards)
    return x.flip(dim).cummax(dim).values.flip(dim) if backwards else x.cummax(dim).values


REACH = 32
"""Cells that one pooling sees; two of them see 1024, which are 8192 pixels, the most that a side is resized to."""


def pooled_max(x: Tensor, dim: int, *, backwards: bool) -> Tensor:
    """`running_max` of a map of unknown size, up to REACH * REACH cells, for ONNX, which has no such operator:
    the largest of REACH cells, then of every REACH-th among these."""
    for spacing in (1, REACH):
        beyond = (REACH - 1) * spacing
        ends = (0, beyond) if backwards else (beyond, 0)
        x = F.pad(x, ends if dim == 3 else (0, 0, *ends), value=-torch.inf)
        kernel, dilation = ((1, each) if dim == 3 else (each, 1) for each in (REACH, spacing))
        x = F.max_pool2d(x, kernel, stride=1, dilation=dilation)
    return x
