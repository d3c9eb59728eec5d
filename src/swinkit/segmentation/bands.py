"""Maps resized a band of rows at a time, so that a large map of many classes never exists as a whole.

Shapes: B images, K classes, H W map, R rows of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

ROWS = 64
"""Rows of a band."""


def resized_bands(bands: Iterable[Tensor], size: tuple[int, int], target: tuple[int, int]) -> Iterator[Tensor]:
    """A map that comes in bands from top to bottom, bilinearly at another size, again in bands.

    Together the results are F.interpolate(map, target, mode="bilinear", align_corners=False) of the whole map.

    Args:
        bands: (B, K, R, W) each, of any number of rows.
        size: H and W of the whole map.
        target: height and width of the result.

    Returns:
        Bands (B, K, R, target width); of the original heights where nothing is to be resized, else of at most `ROWS`.
    """
    if size == target:
        yield from bands
        return
    above, share = _source_rows(size[0], target[0])
    held, first, done = None, 0, 0  # rows of the map at hand, the number of the first of them, rows yielded
    for band in bands:
        held = band if held is None else torch.cat([held, band], 2)
        known = first + held.shape[2]
        ready = target[0] if known == size[0] else int((above + 1 < known).sum())
        for start in range(done, ready, ROWS):
            rows = slice(start, min(start + ROWS, ready))
            yield _interpolated(held, above[rows] - first, share[rows], target[1])
        done = ready
        if done < target[0]:
            needed = min(int(above[done]) - first, held.shape[2])
            held, first = held[:, :, needed:], first + needed


def _source_rows(height: int, target: int) -> tuple[Tensor, Tensor]:
    """For each row of the result, the row of the map above it and the share of the next one, (target,) each."""
    position = ((torch.arange(target, dtype=torch.float64) + 0.5) * (height / target) - 0.5).clamp_(min=0)
    above = position.floor()
    return above.long(), position - above


def _interpolated(held: Tensor, above: Tensor, share: Tensor, width: int) -> Tensor:
    above, share = above.to(held.device), share.to(held)[:, None]
    below = (above + 1).clamp(max=held.shape[2] - 1)
    mixed = torch.lerp(held[:, :, above], held[:, :, below], share)  # (B, K, R, W)
    if mixed.shape[3] == width:
        return mixed
    return F.interpolate(mixed, size=(mixed.shape[2], width), mode="bilinear", align_corners=False)
