"""Convolutions with what follows them, under the names that the official files have: `conv`, `bn`.

Shapes: B images, H W map, C channels, D channels out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.errors import InputError
from swinkit.layers.unmodified import is_unmodified
from swinkit.ops.pyramid_convolution import brought_together, pyramid_convolution


class Conv(nn.Module):
    """A convolution with bias that keeps the map's size, or divides it by `stride`: (B, C, H, W) to
    (B, D, H, W)."""

    def __init__(self, channels: int, dim: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, kernel, stride, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class ConvReLU(Conv):
    """A convolution with bias that keeps the map's size, then ReLU: (B, C, H, W) to (B, D, H, W).

    Weights are drawn as in the published code: Kaiming normal over the fan out, biases 0.
    """

    def __init__(self, channels: int, dim: int, kernel: int) -> None:
        super().__init__(channels, dim, kernel)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]  # torch calls it optional; here it is always there

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x), inplace=True)


class ConvNorm(nn.Module):
    """A bias-free convolution that keeps the map's size, batch norm, ReLU: (B, C, H, W) to (B, D, H, W).

    Weights are drawn as in the published code: Kaiming normal over the fan out. For batch statistics over all
    processes, convert the whole model with `torch.nn.SyncBatchNorm.convert_sync_batchnorm`.

    Raises InputError in training on a single value for each channel, of which there are no statistics.
    """

    def __init__(self, channels: int, dim: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(dim)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        if self.bn.training and x.shape[0] * x.shape[2] * x.shape[3] == 1 and type(self.bn) is nn.BatchNorm2d:
            raise InputError(
                "batch norm cannot train on a single value for each channel, all that pooling leaves of one image; "
                "train with at least 2 images in a batch"
            )
        return F.relu(self.bn(self.conv(x)), inplace=True)

    def over(self, maps: Sequence[Tensor]) -> Tensor:
        """The layer over several maps (B, C_i, h_i, w_i), brought bilinearly to the size of the first and concatenated;
        C is the sum of the C_i."""
        if is_unmodified(self, ConvNorm) and is_unmodified(self.conv, nn.Conv2d):
            return F.relu(self.bn(pyramid_convolution(maps, self.conv.weight)), inplace=True)
        return self(brought_together(maps))


class GroupNorm(nn.GroupNorm):
    """Group norm that gives an image the same in a batch of one as in a larger one, where `nn.GroupNorm` refuses a
    single value in a group: normalised it is 0, so the bias is left.

    Raises InputError where `groups` does not divide `channels`.
    """

    def __init__(self, groups: int, channels: int) -> None:
        if channels % groups:
            raise InputError(
                f"{groups} groups of group norm do not divide {channels} channels; give a number of groups that does"
            )
        super().__init__(groups, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class ConvGroupNorm(nn.Module):
    """A bias-free convolution that keeps the map's size, group norm, and ReLU unless told otherwise: (B, C, H, W) to
    (B, D, H, W).

    Names are `conv` and `gn`; weights are drawn as in the published dense heads (normal of 0.01).
    """

    def __init__(self, channels: int, dim: int, kernel: int, *, groups: int = 32, relu: bool = True) -> None:
        super().__init__()
        self.relu = relu
        self.conv = nn.Conv2d(channels, dim, kernel, padding=kernel // 2, bias=False)
        self.gn = GroupNorm(groups, dim)
        nn.init.normal_(self.conv.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = self.gn(self.conv(x))
        return F.relu(x) if self.relu else x
