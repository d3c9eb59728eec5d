"""The feature pyramid network (arXiv 1612.03144).

Shapes: B images, H W map, C channels, D width of the pyramid.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.layers.conv import Conv


class FPN(nn.Module):
    """Features of a backbone, finest first, to maps of one width, and coarser ones behind them.

    Parameter names are those of the official code's `neck`; weights are drawn as there (Xavier uniform).

    Args:
        in_channels: channels of the features.
        channels: D.
        extra_levels: maps behind the coarsest, each made of the one before.
        extra_convs: whether by a 3 x 3 convolution of stride 2, else by taking every other cell.
    """

    def __init__(
        self, in_channels: Sequence[int], channels: int, *, extra_levels: int = 1, extra_convs: bool = False
    ) -> None:
        super().__init__()
        self.levels = len(in_channels)
        self.extra_levels = extra_levels
        self.extra_convs = extra_convs
        self.lateral_convs = nn.ModuleList(Conv(each, channels, 1) for each in in_channels)
        self.fpn_convs = nn.ModuleList(Conv(channels, channels, 3) for _ in in_channels)
        if extra_convs:
            self.fpn_convs.extend(Conv(channels, channels, 3, stride=2) for _ in range(extra_levels))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias) if module.bias is not None else None

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """(B, C_i, H_i, W_i) each to (B, D, H_i, W_i) each, and the extra levels."""
        maps = [convolve(x) for convolve, x in zip(self.lateral_convs, features, strict=True)]
        for fine in range(len(maps) - 2, -1, -1):
            maps[fine] = maps[fine] + F.interpolate(maps[fine + 1], size=maps[fine].shape[2:], mode="nearest")
        maps = [convolve(x) for convolve, x in zip(self.fpn_convs[: self.levels], maps, strict=True)]
        for extra in range(self.extra_levels):
            last = maps[-1]
            maps.append(
                self.fpn_convs[self.levels + extra](last) if self.extra_convs else F.max_pool2d(last, 1, stride=2)
            )
        return maps
