"""The auxiliary head: a plain convolutional classifier of one feature (arXiv 1411.4038), used in training alone.

Shapes: B images, H W map, C channels, K classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from swinkit.layers.conv import ConvNorm
from swinkit.segmentation.uper_head import classifying_convolution


class FCNHead(nn.Module):
    """A feature (B, C, H, W) to logits (B, K, H, W). Names are those of the official code's `auxiliary_head`.

    Args:
        in_channels: C.
        num_classes: K.
        channels: width of the head.
        num_convs: 3 x 3 convolutions before the last layer, at least one.
        dropout: share of channels left out before the last layer while training, 0..1.
    """

    def __init__(
        self, in_channels: int, num_classes: int, *, channels: int = 256, num_convs: int = 1, dropout: float = 0.1
    ) -> None:
        super().__init__()
        widths = [in_channels] + [channels] * num_convs
        self.conv_seg = classifying_convolution(channels, num_classes)
        self.dropout = nn.Dropout2d(dropout)
        self.convs = nn.Sequential(*(ConvNorm(width, channels, 3) for width in widths[:-1]))

    def forward(self, feature: Tensor) -> Tensor:
        return self.conv_seg(self.dropout(self.convs(feature)))
