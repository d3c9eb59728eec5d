"""(Shifted) window attention as a module: image order in, image order out (paper section 3.2).

Shapes: B images, H W map, C channels, T tokens in a window, h heads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from swinkit.layers.patch import Geometry
from swinkit.layers.unmodified import linear_of
from swinkit.ops.relative_position import relative_position_bias
from swinkit.ops.tracing import is_fx, leaf, map_size
from swinkit.ops.window_attention import AttentionBackend, check_backend, window_attention
from swinkit.ops.window_attention.reference import attention_weights
from swinkit.ops.windows import WindowGrid, are_symbols


class WindowAttention(nn.Module):
    """W-MSA, or SW-MSA where `shift` is not 0. Pads, shifts, cuts, masks and undoes all of it: a block sees none.

    Args:
        dim: C.
        num_heads: h; divides C.
        window: side of the square window, in tokens. The bias table is that of this window.
        shift: how far the windows of this block are moved, in tokens; the paper's is window // 2 in every second one.
        geometry: what happens on maps no larger than the window, see `Geometry`.
        qkv_bias: whether q, k and v have a bias.
        qk_scale: what q is multiplied with; None is (C / h) ** -0.5, and 0 leaves nothing but the bias and the mask.
        relative_bias: whether there is a relative position bias (equation 4).
        attn_drop_rate, drop_rate: dropout on the attention weights and on the output, 0..1.
        backend: how attention is computed, see `window_attention`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        window: int,
        shift: int = 0,
        geometry: Geometry = "classification",
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        relative_bias: bool = True,
        attn_drop_rate: float = 0.0,
        drop_rate: float = 0.0,
        backend: AttentionBackend = "auto",
    ) -> None:
        super().__init__()
        check_backend(backend)
        self.num_heads = num_heads
        self.window = window
        self.shift = shift
        self.geometry = geometry
        self.scale = (dim // num_heads) ** -0.5 if qk_scale is None else qk_scale
        self.attn_drop_rate = attn_drop_rate
        self.backend = backend
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(drop_rate)
        self.relative_position_bias_table = (
            nn.Parameter(torch.zeros((2 * window - 1) ** 2, num_heads)) if relative_bias else None
        )

    def grid(self, height: int, width: int) -> WindowGrid:
        """The windows of a map of this size."""
        window: int = self.window
        shift: int = self.shift
        if self.geometry == "classification" and are_symbols(height, width):  # no branch may depend on them
            smallest = torch.sym_min(height, width)
            is_larger = torch.sym_min(torch.sym_max(smallest - window, 0), 1)  # 1 or 0
            window, shift = cast("int", torch.sym_min(window, smallest)), cast("int", shift * is_larger)
        elif self.geometry == "classification" and min(height, width) <= window:
            window, shift = min(height, width), 0
        return WindowGrid(height, width, (window, window), (shift, shift))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H, W, C)."""
        if is_fx(x):
            return leaf(self, x)
        return self.proj_drop(linear_of(self.proj)(self.before_projection(x)))

    def before_projection(self, x: Tensor) -> Tensor:
        """`forward` but for the output projection and the dropout behind it."""
        grid = self.grid(*map_size(x))
        table = self.relative_position_bias_table
        bias = None if table is None else relative_position_bias(table, grid.window, (self.window, self.window))
        return self.attend(x, linear_of(self.qkv), bias=bias, grid=grid)

    def attend(
        self, x: Tensor, project: Callable[[Tensor], Tensor], *, bias: Tensor | None, grid: WindowGrid
    ) -> Tensor:
        """Attention alone, (B, H, W, C) to the same; see `window_attention`."""
        return window_attention(
            x,
            project,
            bias=bias,
            grid=grid,
            num_heads=self.num_heads,
            scale=self.scale,
            dropout_p=self.attn_drop_rate if self.training else 0.0,
            backend=self.backend,
        )

    @torch.no_grad()
    def weights(self, x: Tensor) -> tuple[Tensor, WindowGrid]:
        """How much each token of (B, H, W, C) takes of each other of its window, (B * N, h, T, T), by the definition
        and without dropout, whatever `backend` computes; and the windows. See `reference.attention_weights`."""
        grid = self.grid(*map_size(x))
        table = self.relative_position_bias_table
        bias = None if table is None else relative_position_bias(table, grid.window, (self.window, self.window))
        weights = attention_weights(x, self.qkv, bias=bias, grid=grid, num_heads=self.num_heads, scale=self.scale)
        return weights, grid

    def extra_repr(self) -> str:
        return f"num_heads={self.num_heads}, window={self.window}, shift={self.shift}, backend={self.backend}"
