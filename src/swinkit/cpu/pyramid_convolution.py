"""A convolution over maps brought to one size, where coarse maps are multiplied before they are made larger.

Bilinear resizing mixes places and the weights mix channels, so the two can change places: the nine products of a 3 x 3
convolution are made of the coarse map, at a quarter or less of the places, and what they give is made larger and moved
to the nine neighbours at once, by two products with small matrices. Of the fusing convolution of UperNet, two thirds of
all its multiplications, that leaves a third. It is exact but for rounding: the sum is the same in another order.

Shapes: B images, H W largest map, h w another, C channels, D channels out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.cpu.switch import cpu_obstacle
from swinkit.ops.constants import cached_constant


def pyramid_obstacle(maps: Sequence[Tensor], weight: Tensor) -> str | None:
    """Why `pyramid_in_products` cannot run, in one sentence; None if it can."""
    if torch.is_grad_enabled():
        return "it has no gradient; call it under torch.no_grad()"
    for each in (*maps, weight):
        obstacle = cpu_obstacle(each)
        if obstacle is not None:
            return obstacle
        if each.dtype not in (torch.float32, torch.float64):
            return "its sums would be rounded in between in half precision"
    if weight.shape[2:] != (3, 3):
        return f"it is written for 3 x 3 convolutions, not {weight.shape[2]} x {weight.shape[3]}"
    return None


def pyramid_in_products(maps: Sequence[Tensor], weight: Tensor) -> Tensor:
    """See `swinkit.ops.pyramid_convolution.pyramid_convolution`."""
    size = (maps[0].shape[2], maps[0].shape[3])
    parts = weight.split([each.shape[1] for each in maps], 1)
    out = F.conv2d(maps[0], parts[0], padding=1)
    for x, part in zip(maps[1:], parts[1:], strict=True):
        if _pays(x, size):
            _add(out, x, part)
        else:
            out += F.conv2d(F.interpolate(x, size=size, mode="bilinear", align_corners=False), part, padding=1)
    return out


def _pays(x: Tensor, size: tuple[int, int]) -> bool:
    """Half as many places or fewer: the small matrices take about a third as long as what they save there."""
    return 2 * x.shape[2] * x.shape[3] <= size[0] * size[1]


def _add(out: Tensor, x: Tensor, weight: Tensor) -> None:
    """Add to `out` (B, D, H, W), in place, what x (B, C, h, w) contributes through `weight` (D, C, 3, 3)."""
    (batch, channels, height, width), dim = x.shape, weight.shape[0]
    across = _neighbours(width, out.shape[3], out.dtype, out.device)  # (3, W, w)
    down = torch.cat(tuple(_neighbours(height, out.shape[2], out.dtype, out.device)), 1)  # (H, 3 h)
    by_column = weight.permute(3, 0, 2, 1).reshape(-1, channels)  # (3 columns, D, 3 rows) of products
    for image in range(batch):
        products = (by_column @ x[image].reshape(channels, -1)).view(3, -1, width)
        rows = products[0] @ across[0].t()  # (D * 3 * h, W)
        for column in (1, 2):
            rows.addmm_(products[column], across[column].t())
        wide = rows.view(dim, 3 * height, -1)
        torch.baddbmm(out[image], down.expand(dim, -1, -1), wide, out=out[image])


@cached_constant
def _neighbours(length: int, new_length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What makes `length` places into `new_length` bilinearly, and takes of each its neighbour before, itself and its
    neighbour behind, 0 beyond the ends: (3, new_length, length)."""
    unit = torch.eye(length, dtype=dtype, device=device)[None, None]
    itself = F.interpolate(unit, size=(new_length, length), mode="bilinear", align_corners=False)[0, 0]
    nothing = itself.new_zeros(1, length)
    return torch.stack((torch.cat((nothing, itself[:-1])), itself, torch.cat((itself[1:], nothing))))
