"""One tensor of a file made to fit the model's: another window, grid, number of channels or of classes.

Shapes: C channels, H W map, h heads, K classes, S rows or columns of a bias table (2 * window - 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.errors import InputError
from swinkit.ops.relative_position import resize_relative_position_table

HEADS = ("head", "fc_cls", "fc_reg", "conv_logits", "conv_seg")
"""Modules, in official names, whose first dimension follows the number of classes."""


def fit_tensor(name: str, tensor: Tensor, shape: torch.Size) -> Tensor | None:
    """`tensor` at `shape`, for the parameters that can always be resized; None where it cannot be made to fit.

    Bias tables (S * S, h) and absolute position embeddings ((1, L, C) or (1, C, H, W)) are resized bicubically, as in
    the official code.
    """
    if tensor.shape == shape:
        return tensor
    if name.rpartition(".")[2] == "relative_position_bias_table":
        return _fit_table(tensor, shape)
    if name.endswith("absolute_pos_embed"):
        return _fit_position_embedding(tensor, shape)
    return None


def fit_channels(weight: Tensor, channels: int) -> Tensor:
    """A patch projection (D, C, p, p) for another number of image channels.

    To one channel: the sum, so that a grey image gives what it would have given with its values in all channels. To
    more or fewer: the old channels over and over, scaled by old / new, so that outputs keep their size.
    """
    old = weight.shape[1]
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    index = torch.arange(channels, device=weight.device) % old
    return weight[:, index] * (old / channels)


def select_classes(tensors: dict[str, Tensor], class_map: Sequence[int]) -> dict[str, Tensor]:
    """`tensors` with those rows of its `head` that `class_map` lists: row i of the new head is old row class_map[i].

    This is how the official code starts an ImageNet-1K head from an ImageNet-22K one.

    Raises InputError where there is no head, or an index lies outside it.
    """
    head = tensors.get("head.weight")
    if head is None:
        raise InputError("class_map picks rows of a classifier's head, but the weights have none; leave class_map out")
    rows = list(class_map)
    outside = [row for row in rows if not 0 <= row < head.shape[0]]
    if outside or not rows:
        last, given = head.shape[0] - 1, outside[:3] or "nothing"
        raise InputError(f"class_map must list rows 0..{last} of the head in the weights, not {given}")
    selected = {name: tensors[name][rows] for name in ("head.weight", "head.bias") if name in tensors}
    return tensors | selected


def is_head(name: str) -> bool:
    """Whether a parameter's first dimension follows the number of classes."""
    return module_of(name).rpartition(".")[2] in HEADS


def module_of(name: str) -> str:
    """`a.b.weight` to `a.b`."""
    return name.rpartition(".")[0]


def _fit_table(table: Tensor, shape: torch.Size) -> Tensor | None:
    if table.ndim != 2 or len(shape) != 2 or table.shape[1] != shape[1]:
        return None
    side = math.isqrt(shape[0])
    if side * side != shape[0] or math.isqrt(table.shape[0]) ** 2 != table.shape[0]:
        return None
    return resize_relative_position_table(table, (side, side))


def _fit_position_embedding(embedding: Tensor, shape: torch.Size) -> Tensor | None:
    """(1, L, C) or (1, C, H, W) to (1, C, *grid)."""
    if len(shape) != 4:
        return None
    if embedding.ndim == 3:
        grid = _grid(embedding.shape[1], shape[2], shape[3])
        if grid is None:
            return None
        embedding = embedding.transpose(1, 2).unflatten(2, grid)
    if embedding.ndim != 4 or embedding.shape[:2] != shape[:2]:
        return None
    if embedding.shape == shape:
        return embedding.contiguous()
    resized = F.interpolate(embedding.float(), size=tuple(shape[2:]), mode="bicubic", align_corners=False)
    return resized.to(embedding.dtype)


def _grid(tokens: int, height: int, width: int) -> tuple[int, int] | None:
    """Rows and columns of a flat embedding: those of the model if they fit, else a square, else the model's aspect."""
    if tokens == height * width:
        return height, width
    side = math.isqrt(tokens)
    if side * side == tokens:
        return side, side
    rows = round(math.sqrt(tokens * height / width))
    return (rows, tokens // rows) if rows and rows * width * rows == tokens * height else None
