"""From pixel values to what the published weights were trained on: the one place that knows ImageNet's mean.

Shapes: B images, H W batch, h w image without padding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.ops.windows import are_symbols

Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (123.675, 116.28, 103.53)
IMAGENET_STD: Triple = (58.395, 57.12, 57.375)
"""Of ImageNet's red, green and blue, on the scale 0..255."""


class PixelNormalisation(nn.Module):
    """RGB values 0..255 to (values - mean) / std; the first step of detectors and segmentors.

    Mean and standard deviation are buffers that are not saved, and that stay in float32 when the model is cast: in half
    precision 123.675 would be 123.6875.

    Args:
        mean, std: of red, green and blue, on the scale 0..255.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Triple = IMAGENET_MEAN, std: Triple = IMAGENET_STD) -> None:
        super().__init__()
        self.triples = (mean, std)
        for name, triple in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(triple)[:, None, None], persistent=False)

    def forward(self, images: Tensor, sizes: Sequence[tuple[int, int]] | None = None) -> Tensor:
        """(..., 3, H, W) of any number type to float32 (double stays).

        Args:
            images: RGB, 0..255.
            sizes: height and width of each image of a batch without its padding, which becomes 0.
        """
        values = images if images.dtype == torch.float64 else images.float()
        normalised = (values - self.mean.to(values)) / self.std.to(values)
        is_free = are_symbols(*images.shape[2:])  # no branch may depend on sizes that are not known yet
        if sizes is None or (not is_free and all(size == tuple(images.shape[2:]) for size in sizes)):
            return normalised
        return normalised * _inside(sizes, normalised)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        for name, triple in zip(("mean", "std"), self.triples, strict=True):
            setattr(self, name, torch.tensor(triple, device=getattr(self, name).device)[:, None, None])
        return self


def pad_batch(images: Sequence[Tensor], *, divisor: int = 32) -> tuple[Tensor, list[tuple[int, int]]]:
    """Images (C, h, w) of any sizes as one batch (B, C, H, W), padded right and bottom to the largest of them and to
    multiples of `divisor`, and their own heights and widths."""
    sizes = [(image.shape[1], image.shape[2]) for image in images]
    height, width = (-(-max(size[axis] for size in sizes) // divisor) * divisor for axis in (0, 1))
    return torch.stack([F.pad(x, (0, width - x.shape[2], 0, height - x.shape[1])) for x in images]), sizes


def _inside(sizes: Sequence[tuple[int, int]], like: Tensor) -> Any:
    """1 within each image and 0 in its padding, (B, 1, H, W)."""
    rows, columns = (torch.arange(length, device=like.device) for length in like.shape[2:])
    masks = [(rows < height)[:, None] & (columns < width) for height, width in sizes]
    return torch.stack(masks)[:, None].to(like)
