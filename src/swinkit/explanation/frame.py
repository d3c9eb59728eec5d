"""What of an image a model was shown, and where its maps lie in the image.

Shapes: H W image, h w map.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]
"""Height and width."""


class Frame(NamedTuple):
    """A part of an image, and the size at which it was shown."""

    size: Size
    """Of the image, in pixels."""
    seen: tuple[float, float, float, float]
    """Left, top, right, bottom of the part, in pixels of the image."""
    shown: Size
    """Height and width of the part as the model's input, without padding."""

    @property
    def cut_out(self) -> tuple[float, float, float, float] | None:
        """`seen`, where that is not the whole image."""
        return None if self.seen == (0.0, 0.0, float(self.size[1]), float(self.size[0])) else self.seen

    def to_shown(self, x: float, y: float) -> tuple[float, float]:
        """A point of the image in pixels of the model's input."""
        across, down = self._scale
        return (x - self.seen[0]) * across, (y - self.seen[1]) * down

    def to_image(self, x: float, y: float) -> tuple[float, float]:
        """A point of the model's input in pixels of the image."""
        across, down = self._scale
        return x / across + self.seen[0], y / down + self.seen[1]

    def holds(self, x: float, y: float) -> bool:
        """Whether a point of the image is in the part."""
        left, top, right, bottom = self.seen
        return left <= x < right and top <= y < bottom

    def heatmap(self, cells: Tensor, stride: int, *, smooth: bool = True) -> np.ndarray:
        """A map (h, w) with a cell for every `stride` pixels of the input, as (H, W) float32 of the image.

        Cells in padding fall away, and what the model was not shown is 0. The rest is stretched so that the largest
        value is 1, unless all are 0.

        Args:
            cells: values of 0 or more.
            stride: pixels of a cell.
            smooth: whether values between the centres of cells are interpolated.
        """
        mode = "bilinear" if smooth else "nearest"
        rows, columns = (-(-side // stride) for side in self.shown)
        inside = cells[None, None, :rows, :columns].float()
        input_map = F.interpolate(inside, size=(rows * stride, columns * stride), mode=mode)
        left, top, right, bottom = (round(edge) for edge in self.seen)
        left, top = min(left, self.size[1] - 1), min(top, self.size[0] - 1)
        part = (max(1, bottom - top), max(1, right - left))
        fitted = F.interpolate(input_map[:, :, : self.shown[0], : self.shown[1]], size=part, mode=mode)[0, 0]
        whole = torch.zeros(self.size)
        whole[top : top + part[0], left : left + part[1]] = fitted
        highest = float(whole.max())
        return (whole / highest if highest > 0 else whole).numpy()

    def mean_of(self, features: Tensor, stride: int) -> Tensor:
        """The mean of features (1, C, h, w) over the part without padding, (1, C) float32 on the CPU."""
        rows, columns = (-(-side // stride) for side in self.shown)
        return features[:, :, :rows, :columns].float().mean((2, 3)).cpu()

    @property
    def _scale(self) -> tuple[float, float]:
        """Pixels of the input for a pixel of the image, across and down."""
        left, top, right, bottom = self.seen
        return self.shown[1] / (right - left), self.shown[0] / (bottom - top)


def whole_frame(size: Size, shown: Size) -> Frame:
    """Of an image that is shown whole."""
    return Frame(size, (0.0, 0.0, float(size[1]), float(size[0])), shown)
