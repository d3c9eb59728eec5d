"""Where the windows of one feature map lie: padding, cyclic shift, token order and mask (paper section 3.2, figure 4).

Shapes: B images, H W map, C channels, N windows of one image, T tokens in a window, h heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx.experimental.symbolic_shapes import statically_known_true

from swinkit.ops.constants import cached_constant, is_plain
from swinkit.ops.tracing import is_plainly_run, map_size

MASK_VALUE = -100.0
"""Added to the logit of two tokens that meet only through the cyclic shift: the published code's value. It is finite
on purpose, so that softmax stays finite in fp16 too."""
TRACED_MASK_VALUE = -1000.0
"""The same in exported and compiled programs, where softmax then gives exactly 0. exp(-100) is denormal in float32, and
ONNX Runtime, which multiplies by it, took 1.13 to 1.2 times as long. Results are the same to rounding as long as no
logit is above another of its window by more than 80."""


@dataclass(frozen=True)
class WindowGrid:
    """The windows of an H x W map, as a value: no tensors, no state.

    Maps are padded at the right and at the bottom to whole windows, then rolled up and left by `shift`, then cut.
    Sizes are in tokens. Under torch.export they may be symbols, so nothing here branches on them.
    """

    height: int
    width: int
    window: tuple[int, int]
    shift: tuple[int, int] = (0, 0)

    @property
    def tokens(self) -> int:
        """Tokens in a window, T."""
        return self.window[0] * self.window[1]

    @property
    def counts(self) -> tuple[int, int]:
        """Windows per column and per row of the padded map."""
        # Not -(-height // window): ONNX rounds towards zero.
        rows, columns = self.height + self.window[0] - 1, self.width + self.window[1] - 1
        return rows // self.window[0], columns // self.window[1]

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width after padding to whole windows."""
        return self.counts[0] * self.window[0], self.counts[1] * self.window[1]

    @property
    def is_shifted(self) -> bool:
        return not (_is_zero(self.shift[0]) and _is_zero(self.shift[1]))

    @property
    def group_sizes(self) -> tuple[int, int, int, int]:
        """Windows of each mask kind: inside, right edge, bottom edge, corner. Without a shift all are inside."""
        rows, columns = self.counts
        if not self.is_shifted:
            return rows * columns, 0, 0, 0
        return (rows - 1) * (columns - 1), rows - 1, columns - 1, 1


def are_symbols(*sizes: Any) -> bool:
    """Whether any size is a symbol, as free sizes are under torch.export; under torch.compile they pass for numbers."""
    return any(isinstance(size, torch.SymInt) for size in sizes)


def _is_zero(size: Any) -> bool:
    """Whether a size is zero on every call: one that is free under torch.compile or torch.export is not, so that
    these need one graph for all sizes."""
    return statically_known_true(size == 0)


def is_padded(grid: WindowGrid) -> bool:
    """Whether a map is not known to be whole windows."""
    height, width = grid.padded
    return not (_is_zero(height - grid.height) and _is_zero(width - grid.width))


def pad_tokens(x: Tensor, height: int, width: int) -> Tensor:
    """Zeros at the bottom and right of (B, H, W, C) up to height x width; no copy where there is nothing to add."""
    given_height, given_width = map_size(x)
    bottom, right = height - given_height, width - given_width
    if _is_zero(bottom) and _is_zero(right):
        return x
    return F.pad(x, (0, 0, 0, right, 0, bottom))


class TokenOrder(NamedTuple):
    """A permutation of the B * Hp * Wp tokens of a padded batch, and its inverse. Both are int64 vectors.

    Window order is (N, B, T): windows outermost, so that all that belongs to one window lies together, whatever the
    batch size.
    """

    to_windows: Tensor
    to_image: Tensor


def build_token_order(grid: WindowGrid, batch: int, by_mask: bool, device: torch.device) -> TokenOrder:
    """The token order of a batch of maps. Image tokens are numbered row by row, image after image.

    Windows come row by row, or with `by_mask` sorted by mask kind (see `WindowGrid.group_sizes`), so that all windows
    that share a mask are one slice.
    """
    (height, width), (rows, columns) = grid.padded, grid.counts
    y, x = _rolled(height, grid.shift[0], device), _rolled(width, grid.shift[1], device)
    y, x = y.view(rows, 1, grid.window[0], 1), x.view(1, columns, 1, grid.window[1])
    windows = (y * width + x).view(rows, columns, grid.tokens)
    if by_mask and grid.is_shifted:
        inside, right = windows[:-1, :-1].flatten(0, 1), windows[:-1, -1]
        bottom, corner = windows[-1, :-1], windows[-1, -1:]
        windows = torch.cat((inside, right, bottom, corner))
    images = torch.arange(batch, device=device).view(1, batch, 1) * (height * width)
    order = (windows.view(rows * columns, 1, grid.tokens) + images).view(batch * height * width)
    positions = torch.arange(batch * height * width, device=device)
    return TokenOrder(order, torch.zeros_like(positions).scatter(0, order, positions))


def _rolled(size: int, shift: int, device: torch.device) -> Tensor:
    """(arange(size) + shift) % size, for shift < size; ONNX has no remainder by a free size."""
    moved = torch.arange(size, device=device) + shift
    return torch.where(moved < size, moved, moved - size)


_cached_token_order = cached_constant(build_token_order)


def token_order(grid: WindowGrid, like: Tensor, *, by_mask: bool = False) -> TokenOrder:
    """The token order for `like` (B, H, W, C), from the cache where `like` is an ordinary tensor."""
    build = _cached_token_order if is_plain(like) else build_token_order
    return build(grid, like.shape[0], by_mask, like.device)


class _Permute(torch.autograd.Function):
    """Rows in another order. The gradient of a permutation is a gather too; autograd's own would be a slow scatter."""

    @staticmethod
    def forward(rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        return rows.index_select(0, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        order, inverse = ctx.saved_tensors
        return _Permute.apply(gradient, inverse, order), None, None


def _permuted(rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    if is_plainly_run() and torch.is_grad_enabled():
        permuted: Tensor = _Permute.apply(rows, order, inverse)
        return permuted
    return rows.index_select(0, order)


def to_windows(x: Tensor, grid: WindowGrid, order: TokenOrder) -> Tensor:
    """Image order (B, H, W, C) to window order (N, B, T, C); padded tokens are zeros."""
    batch, channels = x.shape[0], x.shape[-1]
    (height, width), (rows, columns) = grid.padded, grid.counts
    x = pad_tokens(x, height, width)
    tokens = _permuted(x.reshape(batch * height * width, channels), order.to_windows, order.to_image)
    return tokens.view(rows * columns, batch, grid.tokens, channels)


def to_image(windows: Tensor, grid: WindowGrid, order: TokenOrder, *, batch: int) -> Tensor:
    """Window order (N * B * T, C) back to image order (B, H, W, C); padded tokens are dropped."""
    height, width = grid.padded
    x = _permuted(windows, order.to_image, order.to_windows)
    x = x.view(batch, height, width, windows.shape[-1])
    if _is_zero(height - grid.height) and _is_zero(width - grid.width):
        return x
    return x[:, : grid.height, : grid.width].clone(memory_format=torch.contiguous_format)


def build_masks(grid: WindowGrid, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which pairs of tokens meet only through the shift: in windows at the right edge, and at the bottom edge.

    After the roll, the last columns (rows) of the right (bottom) windows come from the other side of the map, and the
    two parts of such a window must not see each other. Two (T, T) booleans, True where they must not.
    """
    (window_h, window_w), (shift_h, shift_w) = grid.window, grid.shift
    wrapped_y = (torch.arange(window_h, device=device) >= window_h - shift_h)[:, None].expand(window_h, window_w)
    wrapped_x = (torch.arange(window_w, device=device) >= window_w - shift_w).expand(window_h, window_w)
    wrapped_y, wrapped_x = wrapped_y.reshape(-1), wrapped_x.reshape(-1)
    return wrapped_x[:, None] != wrapped_x, wrapped_y[:, None] != wrapped_y


def mask_value() -> float:
    """What masks add to the logit of a pair that must not meet: `TRACED_MASK_VALUE` while tracing, else `MASK_VALUE`.

    The Triton kernel adds `MASK_VALUE` always: GPUs do not slow down.
    """
    return TRACED_MASK_VALUE if torch.compiler.is_compiling() else MASK_VALUE


def build_group_masks(grid: WindowGrid, device: torch.device) -> Tensor:
    """What is added to the logits of each mask kind: (4, T, T), 0 or `mask_value`; inside, right, bottom, corner."""
    right, bottom = build_masks(grid, device)
    return torch.stack((torch.zeros_like(right), right, bottom, bottom | right)) * mask_value()


def build_window_masks(grid: WindowGrid, device: torch.device) -> Tensor:
    """What is added to the logits of each window, windows row by row: (N, 1, T, T), 0 or `mask_value`."""
    right, bottom = build_masks(grid, device)
    rows, columns = grid.counts
    at_right = (torch.arange(columns, device=device) == columns - 1).view(1, columns, 1, 1)
    at_bottom = (torch.arange(rows, device=device) == rows - 1).view(rows, 1, 1, 1)
    masked = (at_right & right) | (at_bottom & bottom)  # (rows, columns, T, T)
    return masked.view(rows * columns, 1, grid.tokens, grid.tokens) * mask_value()


_cached_group_masks = cached_constant(build_group_masks)
_cached_window_masks = cached_constant(build_window_masks)


def group_masks(grid: WindowGrid, like: Tensor) -> Tensor:
    """The four masks of `build_group_masks` on the device of `like`."""
    return (_cached_group_masks if is_plain(like) else build_group_masks)(grid, like.device)


def window_masks(grid: WindowGrid, like: Tensor) -> Tensor:
    """The masks of `build_window_masks` on the device of `like`."""
    return (_cached_window_masks if is_plain(like) else build_window_masks)(grid, like.device)


def group_biases(bias: Tensor | None, grid: WindowGrid, like: Tensor) -> list[Tensor | None]:
    """Bias (h, T, T) plus mask of each of the four mask kinds, in the dtype of `like`: (1, h or 1, T, T) each."""
    if not grid.is_shifted:
        return [None if bias is None else bias[None].to(like.dtype)] * 4
    masks = group_masks(grid, like)[:, None]
    return list((masks if bias is None else masks + bias).to(like.dtype).split(1))
