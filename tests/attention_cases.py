"""Window attention on maps that are awkward in every way, its inputs, and its definition spelled out pair by pair.

Shapes: B images, H W map, C channels, T tokens in a window, h heads, d head dim, L = H W tokens of a padded map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from swinkit.ops.window_attention import AttentionBackend, window_attention
from swinkit.ops.windows import WindowGrid

GRIDS = {
    "whole": WindowGrid(8, 12, (4, 4)),
    "whole_shifted": WindowGrid(8, 12, (4, 4), (2, 2)),
    "padded": WindowGrid(13, 9, (7, 7)),
    "padded_shifted": WindowGrid(13, 9, (7, 7), (3, 3)),
    "one_window_shifted": WindowGrid(7, 7, (7, 7), (3, 3)),
    "smaller_than_a_window": WindowGrid(3, 5, (7, 7)),
    "smaller_than_a_window_shifted": WindowGrid(3, 5, (7, 7), (3, 3)),
    "one_row": WindowGrid(1, 11, (4, 4), (2, 2)),
    "one_column": WindowGrid(11, 1, (4, 4), (2, 2)),
    "one_token": WindowGrid(1, 1, (3, 3), (1, 1)),
    "oblong_windows": WindowGrid(7, 11, (2, 5), (1, 2)),
    "shifted_down_only": WindowGrid(6, 9, (3, 4), (1, 0)),
    "shifted_right_only": WindowGrid(6, 9, (3, 4), (0, 3)),
    "single_token_windows": WindowGrid(3, 4, (1, 1)),
}
HEADS = 2
CHANNELS = 6
BACKENDS: tuple[AttentionBackend, ...] = ("matmul", "sdpa")
"""What runs everywhere, besides the reference."""
CPU_BACKENDS: tuple[AttentionBackend, ...] = (*BACKENDS, "cpu")
"""What runs on a CPU in float32 and float64, without dropout in training."""


@dataclass(frozen=True)
class Case:
    """Everything window attention takes, all of it random and wanting gradients."""

    grid: WindowGrid
    x: Tensor
    weight: Tensor
    qkv_bias: Tensor | None
    bias: Tensor | None
    upstream: Tensor
    heads: int
    scale: float

    def project(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.qkv_bias)

    @property
    def leaves(self) -> list[Tensor]:
        return [leaf for leaf in (self.x, self.weight, self.qkv_bias, self.bias) if leaf is not None]

    def attend(self, backend: AttentionBackend) -> Tensor:
        return window_attention(
            self.x,
            self.project,
            bias=self.bias,
            grid=self.grid,
            num_heads=self.heads,
            scale=self.scale,
            backend=backend,
        )

    def widened(self, dtype: torch.dtype = torch.float64) -> Case:
        """The same inputs, as they have been rounded, in another dtype."""
        leaves = {name: getattr(self, name) for name in ("x", "weight", "qkv_bias", "bias")}
        wide = {
            name: None if leaf is None else leaf.detach().to(dtype).requires_grad_() for name, leaf in leaves.items()
        }
        return replace(self, **wide, upstream=self.upstream.to(dtype))

    def gradients(self, out: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(out, self.leaves, self.upstream)


def make_case(
    grid: WindowGrid,
    *,
    batch: int = 2,
    has_biases: bool = True,
    dtype: torch.dtype = torch.float64,
    device: str = "cpu",
    heads: int = HEADS,
    head_dim: int = CHANNELS // HEADS,
) -> Case:
    """The same numbers for every dtype; logits spread alike whatever the number of channels."""
    generator = torch.Generator().manual_seed(0)
    channels = heads * head_dim

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(device, dtype).requires_grad_()

    size = (batch, grid.height, grid.width, channels)
    return Case(
        grid=grid,
        x=random(*size),
        weight=(random(3 * channels, channels) * (CHANNELS / channels) ** 0.5).detach().requires_grad_(),
        qkv_bias=random(3 * channels) if has_biases else None,
        bias=random(heads, grid.tokens, grid.tokens) if has_biases else None,
        upstream=random(*size).detach(),
        heads=heads,
        scale=0.7 * (CHANNELS / HEADS / head_dim) ** 0.5,
    )


def pairwise_attention(case: Case, *, sees_padding: bool = True) -> Tensor:
    """The definition, over all pairs of tokens of the padded map at once: who shares a window, and who only seems to.

    Args:
        case: the inputs.
        sees_padding: False masks padded tokens, which is what the published code does not do.
    """
    grid, (height, width) = case.grid, case.grid.padded
    x = torch.zeros(case.x.shape[0], height, width, CHANNELS, dtype=case.x.dtype)
    x[:, : grid.height, : grid.width] = case.x
    y_place, x_place = torch.arange(height * width) // width, torch.arange(height * width) % width
    y_rolled, x_rolled = (y_place - grid.shift[0]) % height, (x_place - grid.shift[1]) % width
    window = y_rolled // grid.window[0] * width + x_rolled // grid.window[1]
    within = y_rolled % grid.window[0] * grid.window[1] + x_rolled % grid.window[1]
    came_round = (y_place < grid.shift[0]) * 2 + (x_place < grid.shift[1]) * 1
    added = torch.where(came_round[:, None] == came_round, 0.0, -100.0).to(x.dtype)
    added = added.masked_fill(window[:, None] != window, -torch.inf)
    if not sees_padding:
        added = added.masked_fill((y_place >= grid.height) | (x_place >= grid.width), -torch.inf)
    if case.bias is not None:
        added = added + case.bias[:, within[:, None], within]
    q, k, v = case.project(x.flatten(1, 2)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)  # (B, h, L, d)
    weights = (q @ k.mT * 0.7 + added).softmax(-1).nan_to_num()  # a padded token that may see nothing at all
    out = (weights @ v).transpose(1, 2).reshape(x.shape)
    return out[:, : grid.height, : grid.width]
