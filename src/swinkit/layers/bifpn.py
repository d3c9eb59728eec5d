"""The bidirectional feature pyramid (EfficientDet, arXiv 1911.09070), as RepPoints v2 with Swin has it.

Shapes: B images, H W map, C channels, D width of the pyramid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.layers.conv import ConvGroupNorm

EPS = 1e-4


class Fusion(nn.Module):
    """A weighted mean of maps of one size with learned weights, none below 0, and swish."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(1, 1, 1, 1, inputs))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        weights = F.relu(self.weights).flatten()
        shares = weights / (weights.sum() + EPS)
        return F.silu(sum((share * x for share, x in zip(shares, maps, strict=True)), maps[0].new_zeros(())))


class BiFPNLayer(nn.Module):
    """Maps, finest first, to maps of width D: once from coarse to fine, once back. Names are the official ones."""

    def __init__(self, in_channels: Sequence[int], channels: int, *, groups: int) -> None:
        super().__init__()

        def convolution() -> ConvGroupNorm:
            return ConvGroupNorm(channels, channels, 3, groups=groups, relu=False)

        between = len(in_channels) - 1
        self.lateral_convs = nn.ModuleList(
            nn.Identity() if each == channels else ConvGroupNorm(each, channels, 1, groups=groups, relu=False)
            for each in in_channels
        )
        self.lateral_combine = nn.ModuleList(Fusion(2) for _ in range(between))
        self.lateral_combine_conv = nn.ModuleList(convolution() for _ in range(between))
        self.out_combine = nn.ModuleList(Fusion(3 if level + 1 < between else 2) for level in range(between))
        self.out_combine_conv = nn.ModuleList(convolution() for _ in range(between))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        laterals = [convolve(x) for convolve, x in zip(self.lateral_convs, maps, strict=True)]
        outs, last = list(laterals), len(laterals) - 1
        for fine in range(last - 1, -1, -1):
            coarse = F.interpolate(outs[fine + 1], size=outs[fine].shape[2:], mode="nearest")
            outs[fine] = self.lateral_combine_conv[fine](self.lateral_combine[fine]([outs[fine], coarse]))
        for fine in range(last):
            finer = F.max_pool2d(outs[fine], 3, stride=2, padding=1)
            joined = [finer, outs[fine + 1]] + ([laterals[fine + 1]] if fine + 1 < last else [])
            outs[fine + 1] = self.out_combine_conv[fine](self.out_combine[fine](joined))
        return outs


class BiFPN(nn.Module):
    """Features of a backbone, finest first, to maps of one width, and coarser ones behind them.

    Args:
        in_channels: channels of the features.
        channels: D.
        extra_levels: maps behind the coarsest, each the largest values of 3 x 3 cells of the one before.
        layers: how many times the pyramid is gone through.
        groups: of group norm.
    """

    def __init__(
        self, in_channels: Sequence[int], channels: int, *, extra_levels: int = 2, layers: int = 2, groups: int = 32
    ) -> None:
        super().__init__()
        self.levels = len(in_channels)
        self.extra_levels = extra_levels
        first = [*in_channels, *[in_channels[-1]] * extra_levels]
        widths = [first] + [[channels] * len(first)] * (layers - 1)
        self.bi_fpn = nn.ModuleList(BiFPNLayer(each, channels, groups=groups) for each in widths)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """(B, C_i, H_i, W_i) each to (B, D, H_i, W_i) each, and the extra levels."""
        maps = list(features)
        for _ in range(self.extra_levels):
            maps.append(F.max_pool2d(maps[-1], 3, stride=2, padding=1))
        for layer in self.bi_fpn:
            maps = layer(maps)
        return maps
