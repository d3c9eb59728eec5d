"""Patches in, and neighbouring patches merged (paper section 3.1).

Shapes: B images, H W map or image, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swinkit.errors import InputError
from swinkit.ops.geometry import Geometry
from swinkit.ops.tracing import image_size, is_fx, leaf, map_size
from swinkit.ops.windows import pad_tokens


class PatchEmbed(nn.Module):
    """Images (B, C, H, W) to patch tokens (B, H / p, W / p, D) by a p x p convolution of stride p, then a LayerNorm.

    Raises InputError where the images have another channel count or are smaller than one patch.
    """

    def __init__(
        self, patch_size: int, in_channels: int, dim: int, *, norm: bool = True, geometry: Geometry = "classification"
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.in_channels = in_channels
        self.pad = geometry == "dense"
        self.proj = nn.Conv2d(in_channels, dim, patch_size, patch_size)
        self.norm = nn.LayerNorm(dim) if norm else None

    def forward(self, images: Tensor) -> Tensor:
        if is_fx(images):
            return leaf(self, images)
        if not torch.compiler.is_compiling():
            self._check(images)
        if self.pad:
            height, width = image_size(images)
            bottom, right = (
                (side + self.patch_size - 1) // self.patch_size * self.patch_size - side for side in (height, width)
            )
            images = F.pad(images, (0, right, 0, bottom))
        x = self.proj(images).permute(0, 2, 3, 1).contiguous()  # (B, H / p, W / p, D)
        return x if self.norm is None else self.norm(x)

    def _check(self, images: Tensor) -> None:
        channels = self.in_channels
        if images.ndim != 4 or images.shape[1] != channels:
            raise InputError(
                f"the model takes images (B, {channels}, H, W), not {tuple(images.shape)}; "
                "give it that many channels, or build it with in_channels=..."
            )
        smallest = 1 if self.pad else self.patch_size
        height, width = image_size(images)
        if min(height, width) < smallest:
            raise InputError(
                f"an image of {height} x {width} pixels is smaller than one patch of "
                f"{self.patch_size} x {self.patch_size}; resize it first"
            )


class PatchMerging(nn.Module):
    """2 x 2 neighbours into one token of twice the width: (B, H, W, C) to (B, ceil(H / 2), ceil(W / 2), 2 C).

    Odd sizes are padded with zeros. The four neighbours are joined column by column: (0,0), (1,0), (0,1), (1,1).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        if is_fx(x):
            return leaf(self, x)
        batch, channels = x.shape[0], x.shape[3]
        height, width = ((side + 1) // 2 for side in map_size(x))
        x = pad_tokens(x, 2 * height, 2 * width)
        x = x.view(batch, height, 2, width, 2, channels).permute(0, 1, 3, 4, 2, 5)
        x = x.clone(memory_format=torch.contiguous_format).view(batch, height, width, 4 * channels)
        return self.reduction(self.norm(x))
