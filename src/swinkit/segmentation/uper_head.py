"""The head of UperNet (arXiv 1807.10221): pyramid pooling over the coarsest map, then a feature pyramid, fused.

Shapes: B images, H W map, C channels, D width of the head, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.layers.conv import ConvNorm

POOL_SCALES = (1, 2, 3, 6)
"""Sides of the pooled maps, in cells."""


class UperHead(nn.Module):
    """Features of a backbone, finest first, to logits (B, K, H_0, W_0) at the size of the finest.

    Parameter names are those of the official segmentation code's `decode_head`.

    Args:
        in_channels: channels of the features.
        num_classes: K.
        channels: D.
        pool_scales: sides of the pooled maps.
        dropout: share of channels left out before the last layer while training, 0..1.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        num_classes: int,
        *,
        channels: int = 512,
        pool_scales: Sequence[int] = POOL_SCALES,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        coarsest = in_channels[-1]
        self.conv_seg = classifying_convolution(channels, num_classes)
        self.dropout = nn.Dropout2d(dropout)
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), ConvNorm(coarsest, channels, 1)) for scale in pool_scales
        )
        self.bottleneck = ConvNorm(coarsest + len(pool_scales) * channels, channels, 3)
        self.lateral_convs = nn.ModuleList(ConvNorm(each, channels, 1) for each in in_channels[:-1])
        self.fpn_convs = nn.ModuleList(ConvNorm(channels, channels, 3) for _ in in_channels[:-1])
        self.fpn_bottleneck = ConvNorm(len(in_channels) * channels, channels, 3)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return self.conv_seg(self.dropout(self.fuse(features)))

    def fuse(self, features: Sequence[Tensor]) -> Tensor:
        """What the last layer classifies: (B, D, H_0, W_0)."""
        laterals = [convolve(x) for convolve, x in zip(self.lateral_convs, features[:-1], strict=True)]
        laterals.append(self.pool(features[-1]))
        for fine in range(len(laterals) - 2, -1, -1):
            laterals[fine] = laterals[fine] + resized_like(laterals[fine + 1], laterals[fine])
        maps = [convolve(x) for convolve, x in zip(self.fpn_convs, laterals[:-1], strict=True)] + laterals[-1:]
        return self.fpn_bottleneck.over(maps)

    def pool(self, x: Tensor) -> Tensor:
        """The coarsest map with what surrounds each of its cells: (B, C, H, W) to (B, D, H, W)."""
        return self.bottleneck.over([x, *(module(x) for module in self.psp_modules)])


def resized_like(x: Tensor, other: Tensor) -> Tensor:
    """`x` bilinearly at the height and width of `other`; corners are not aligned."""
    return F.interpolate(x, size=other.shape[2:], mode="bilinear", align_corners=False)


def classifying_convolution(dim: int, num_classes: int) -> nn.Conv2d:
    """The last layer of a head, a 1 x 1 convolution drawn as in the published code: normal of 0.01, bias 0."""
    convolution = nn.Conv2d(dim, num_classes, 1)
    nn.init.normal_(convolution.weight, std=0.01)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution
