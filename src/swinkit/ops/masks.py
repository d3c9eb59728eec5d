"""Masks that fill their boxes, laid into the image.

Shapes: N objects, M side of a mask, H W image.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.errors import InputError

THRESHOLD = 0.5
"""From this probability on a pixel belongs to the object."""


def paste_masks(masks: Tensor, boxes: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
    """The N masks at the image's size, one at a time: no more than one full-size mask is held.

    A mask is stretched over its box bilinearly, pixels sampled at their centres (at +0.5), with zeros around it, and
    cut at 0.5: mmdetection's `_do_paste_mask`, of which the published results are.

    Args:
        masks: (N, M, M) floating, 0..1; or (N, H, W) bool, masks of the image already, which stay as they are.
        boxes: (N, 4): left, top, right, bottom in pixels of the image.
        size: height and width of the image.

    Raises:
        InputError: where masks of the image have another size.

    Yields:
        (H, W) bool on the device of the masks; all False where a box has no area.
    """
    if masks.dtype == torch.bool:
        if masks.shape[1:] != size:
            raise InputError(f"masks of {tuple(masks.shape[1:])} pixels are not of an image of {tuple(size)}")
        yield from masks
        return
    for mask, box in zip(masks, boxes, strict=True):
        yield _paste(mask.float(), box.float(), size)


def _paste(mask: Tensor, box: Tensor, size: tuple[int, int]) -> Tensor:
    pasted = torch.zeros(size, dtype=torch.bool, device=mask.device)
    left, top, right, bottom = box.tolist()
    # Beyond half a mask cell outside the box nothing reaches the threshold; a pixel around it is more than enough.
    columns, rows = _span(left, right, size[1]), _span(top, bottom, size[0])
    if not (right > left and bottom > top) or not columns or not rows:
        return pasted
    across = _places(columns, left, right, mask)
    down = _places(rows, top, bottom, mask)
    grid = torch.stack([across.expand(len(down), -1), down[:, None].expand(-1, len(across))], dim=2)
    values = F.grid_sample(mask[None, None], grid[None], mode="bilinear", align_corners=False)[0, 0]
    pasted[rows.start : rows.stop, columns.start : columns.stop] = values >= THRESHOLD
    return pasted


def _span(low: float, high: float, length: int) -> range:
    """Pixels that the box touches, and one more on either side, within the image."""
    low, high = max(low, -1.0), min(high, length + 1.0)
    return range(max(0, int(low) - 1), min(length, int(high) + 2)) if high > low else range(0)


def _places(pixels: range, low: float, high: float, like: Tensor) -> Tensor:
    """Where the pixels' centres lie in the box: -1 at its lower edge, 1 at its upper one."""
    centres = torch.arange(pixels.start, pixels.stop, device=like.device, dtype=like.dtype) + 0.5
    return (centres - low) / (high - low) * 2 - 1
