"""What detectors that look at every cell of a pyramid share.

Shapes: B images, C channels, H W map, M cells of all levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from swinkit.backbone.contract import Backbone
from swinkit.detection.anchors import cells_inside
from swinkit.detection.detector import Size
from swinkit.errors import InputError

FINEST = 8
"""Pixels: finer maps of a backbone are not used."""


def dense_levels(backbone: Backbone, extra_levels: int) -> tuple[list[int], list[int]]:
    """Channels of the features that a dense detector uses, and the strides of its pyramid with the extra levels.

    Raises InputError where the backbone gives no feature of stride `FINEST` or more.
    """
    used = [level for level, stride in enumerate(backbone.strides) if stride >= FINEST]
    if not used:
        raise InputError(f"a dense detector needs features of stride {FINEST} or more, not {tuple(backbone.strides)}")
    strides = [backbone.strides[level] for level in used]
    strides += [strides[-1] * 2**level for level in range(1, extra_levels + 1)]
    return [backbone.channels[level] for level in used], strides


def as_rows(levels: Sequence[Tensor]) -> Tensor:
    """Maps (B, C, H, W) of all levels as (B, M, C) in float32, cells row by row."""
    return torch.cat([x.permute(0, 2, 3, 1).flatten(1, 2) for x in levels], 1).float()


def valid_cells(levels: Sequence[Tensor], strides: Sequence[int], size: Size) -> Tensor:
    """Which cells of maps (B, C, H, W) do not lie where only images of the batch larger than `size` are, (M,) bool."""
    return torch.cat(
        [cells_inside((x.shape[2], x.shape[3]), stride, size, 1, x) for x, stride in zip(levels, strides, strict=True)]
    )
