"""Deformable 3 x 3 convolution (arXiv 1703.06211): each of the nine places is read where it was moved to.

Shapes: B images, H W map, C channels, D channels out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import deform_conv2d

PLACES = 9


def deformed_conv(x: Tensor, offsets: Tensor, weight: Tensor) -> Tensor:
    """(B, C, H, W) to (B, D, H, W), read bilinearly with zeros beyond the map.

    torchvision's, except on CPUs, where its backward pass takes five to eight times as long as reading all places by
    `grid_sample` and one product; the values are the same.

    Args:
        x: the map.
        offsets: (B, 18, H, W): down and right of each place, row by row, in cells.
        weight: (D, C, 3, 3), without bias.
    """
    if x.device.type != "cpu":
        return deform_conv2d(x, offsets.to(x.dtype), weight.to(x.dtype), padding=1)
    batch, channels, height, width = x.shape
    moved = offsets.view(batch, PLACES, 2, height, width)
    near = torch.arange(-1, 2, device=x.device)
    down, right = (each.reshape(PLACES, 1, 1) for each in torch.meshgrid(near, near, indexing="ij"))
    rows = torch.arange(height, device=x.device)[:, None] + down + moved[:, :, 0]
    columns = torch.arange(width, device=x.device) + right + moved[:, :, 1]  # (B, 9, H, W)
    places = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    # In half precision a place would be whole cells away from where it is.
    grid = places.view(batch, PLACES * height, width, 2).float()
    read = F.grid_sample(x.float(), grid, mode="bilinear", align_corners=False).to(x.dtype)
    read = read.view(batch, channels, PLACES, height * width)
    mixed = torch.einsum("bckp,dck->bdp", read, weight.to(x.dtype).flatten(2))
    return mixed.view(batch, -1, height, width)
