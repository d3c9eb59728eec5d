"""What a place of an image attends to, block by block: windows, and how they shift (paper section 3.2, figure 2).

Shapes: B images, H W image, h w map of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from swinkit.backbone.stages import SwinStages
from swinkit.errors import InputError
from swinkit.explanation.frame import Frame
from swinkit.explanation.pictures import Panel, heatmap_figure
from swinkit.layers.attention import WindowAttention
from swinkit.ops.window_attention.reference import shift_mask, token_numbers
from swinkit.ops.windows import WindowGrid
from swinkit.pictures.figure import PHOTOGRAPH_BYTES, figure_to_image, png_of, save_figure

Place = tuple[float, float]
"""x and y in pixels of the image."""


@dataclass(frozen=True, eq=False)
class BlockAttention:
    """What the token at the place takes of every token of its map, in one block."""

    stage: int
    """From 0."""
    block: int
    """In the stage, from 0."""
    stride: int
    """Pixels of the model's input that a token stands for."""
    token: tuple[int, int]
    """Row and column of the place's token."""
    grid: WindowGrid
    """The block's windows."""
    weights: np.ndarray = field(repr=False)
    """(h, w) float32, the mean over the heads; the sum is 1 but for what padding takes."""

    @property
    def borders(self) -> tuple[list[int], list[int]]:
        """Rows and columns of the map at which a window begins, the outer borders left out."""
        grid = self.grid
        lines = [
            [shift + step * window for step in range(count) if 0 < shift + step * window < length]
            for shift, window, count, length in zip(
                grid.shift, grid.window, grid.counts, (grid.height, grid.width), strict=True
            )
        ]
        return lines[0], lines[1]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; `window` is rows and columns of the tokens that are attended to, first and behind the last."""
        rows, columns = (np.flatnonzero(self.weights.sum(axis) > 0) for axis in (1, 0))
        return {
            "stage": self.stage,
            "block": self.block,
            "stride": self.stride,
            "shift": list(self.grid.shift),
            "token": list(self.token),
            "window": [int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1],
            "weights": self.weights.tolist(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class PlaceAttention:
    """What one place of an image attends to in every block that was asked for."""

    image: Image.Image
    """Upright, in RGB."""
    place: Place
    frame: Frame
    """What of the image the model was shown."""
    blocks: tuple[BlockAttention, ...]

    @property
    def heatmap(self) -> np.ndarray:
        """(H, W) float32, 0..1: the mean over the blocks, each with its largest weight as 1."""
        return np.mean([self.heatmap_of(block) for block in self.blocks], axis=0)

    def heatmap_of(self, block: BlockAttention) -> np.ndarray:
        """(H, W) float32, 0..1: the weights of one block, the largest as 1, every token a rectangle."""
        return self.frame.heatmap(torch.from_numpy(block.weights), block.stride, smooth=False)

    def draw(self) -> Image.Image:
        """A panel for each block: the weights over the image, the windows' borders, and a ring at the place."""
        return figure_to_image(self._figure())

    def save(self, path: str | Path) -> Path:
        """Write what `draw` gives as PNG; raises InputError where it cannot be written."""
        save_figure(self._figure(), Path(path), max_bytes=PHOTOGRAPH_BYTES)
        return Path(path)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as JSON has it."""
        return {"place": list(self.place), "blocks": [block.to_dict() for block in self.blocks]}

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return png_of(self.draw())

    def __repr__(self) -> str:
        return f"PlaceAttention({self.place} in {len(self.blocks)} blocks)"

    def _figure(self) -> Figure:
        return heatmap_figure(self.image, [self._panel(block) for block in self.blocks], original=False)

    def _panel(self, block: BlockAttention) -> Panel:
        shift = block.grid.shift
        title = f"stage {block.stage}, block {block.block}: " + (
            f"windows shifted by {shift[0]}" if any(shift) else f"windows of {block.grid.window[0]}"
        )
        rows, columns = block.borders
        return Panel(
            title,
            self.heatmap_of(block),
            seen=self.frame.cut_out,
            place=self.place,
            columns=tuple(self.frame.to_image(column * block.stride, 0)[0] for column in columns),
            rows=tuple(self.frame.to_image(0, row * block.stride)[1] for row in rows),
        )


@torch.no_grad()
def place_attention(
    model: nn.Module,
    run: Callable[[], Any],
    image: Image.Image,
    frame: Frame,
    place: Place,
    *,
    stage: int | None = None,
) -> PlaceAttention:
    """What a place attends to, by the definition of attention, whatever backend the model computes with.

    Args:
        model: a Swin.
        run: shows it the image.
        image: upright, in RGB.
        frame: what of the image it is shown.
        place: x and y in pixels of the image.
        stage: whose blocks, from 0 or from the end, -1; None is all that run.

    Raises:
        InputError: where the model was not shown the place, there is no such stage, or its attention has no windows.
    """
    x, y = place
    if not frame.holds(x, y):
        left, top, right, bottom = frame.seen
        raise InputError(
            f"the model sees x {left:.0f} to {right:.0f} and y {top:.0f} to {bottom:.0f} of this image of "
            f"{frame.size[1]} x {frame.size[0]} pixels; the place {x:g}, {y:g} lies outside"
        )
    blocks: list[BlockAttention] = []
    with _watched(model, frame.to_shown(x, y), stage, blocks):
        run()
    return PlaceAttention(image, place, frame, tuple(blocks))


@contextmanager
def _watched(model: nn.Module, point: Place, stage: int | None, blocks: list[BlockAttention]) -> Iterator[None]:
    """Blocks tell, as they run, what the token at `point`, in pixels of the input, attends to."""
    hooks = []
    try:
        for number, block, attention, stride in _attentions(model, stage):

            def tell(
                module: WindowAttention, inputs: Sequence[Tensor], at: tuple[int, int, int] = (number, block, stride)
            ) -> None:
                blocks.append(_of_block(module, inputs[0], point, *at))

            hooks.append(attention.register_forward_pre_hook(tell))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _attentions(model: nn.Module, stage: int | None) -> Iterator[tuple[int, int, WindowAttention, int]]:
    """Stage, block, attention and stride of every block of a stage, or of all."""
    if not isinstance(model, SwinStages):
        raise InputError("a place attends to others in a Swin's windows, and this model's backbone is no Swin")
    count = len(model.stages)
    if stage is not None and not -count <= stage < count:
        raise InputError(f"there are stages 0 to {count - 1}, not {stage}; negative numbers count from the end")
    for number, each in enumerate(model.stages):
        if stage is not None and number != stage % count:
            continue
        for place, block in enumerate(each.blocks):
            attention = block.attn
            if not isinstance(attention, WindowAttention):
                raise InputError(
                    f"the attention of this Swin is {model.config.attention}, which has no windows to look into"
                )
            yield number, place, attention, model.config.strides[number]


def _of_block(
    attention: WindowAttention, x: Tensor, point: Place, stage: int, block: int, stride: int
) -> BlockAttention:
    """What the token at `point` takes of each, where a block is shown (1, h, w, C)."""
    weights, grid = attention.weights(x)  # (N, heads, T, T)
    row = min(int(point[1] // stride), grid.height - 1)
    column = min(int(point[0] // stride), grid.width - 1)
    numbers = token_numbers(grid, x.device)  # (N, T)
    window, place = (numbers == row * grid.width + column).nonzero()[0].tolist()
    taken = weights[window, :, place].float().mean(0)  # (T,)
    real = numbers[window] >= 0
    if grid.is_shifted:  # the mask leaves next to nothing of those that were no neighbours before the roll
        real &= shift_mask(grid, x.device)[window, place] == 0
    given = torch.zeros(grid.height * grid.width, device=x.device)
    given[numbers[window][real]] = taken[real]
    map_ = given.view(grid.height, grid.width).cpu().numpy()
    return BlockAttention(stage, block, stride, (row, column), grid, map_)
