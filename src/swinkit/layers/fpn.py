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
        extra_levels: maps behind the coarsest, each with every other cell of the one before.
    """

    def __init__(self, in_channels: Sequence[int], channels: int, *, extra_levels: int = 1) -> None:
        super().__init__()
        self.extra_levels = extra_levels
        self.lateral_convs = nn.ModuleList(Conv(each, channels, 1) for each in in_channels)
        self.fpn_convs = nn.ModuleList(Conv(channels, channels, 3) for _ in in_channels)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias) if module.bias is not None else None

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """(B, C_i, H_i, W_i) each to (B, D, H_i, W_i) each, and the extra levels."""
        maps = [convolve(x) for convolve, x in zip(self.lateral_convs, features, strict=True)]
        for fine in range(len(maps) - 2, -1, -1):
            maps[fine] = maps[fine] + F.interpolate(maps[fine + 1], size=maps[fine].shape[2:], mode="nearest")
        maps = [convolve(x) for convolve, x in zip(self.fpn_convs, maps, strict=True)]
        for _ in range(self.extra_levels):
            maps.append(F.max_pool2d(maps[-1], 1, stride=2))
        return maps
