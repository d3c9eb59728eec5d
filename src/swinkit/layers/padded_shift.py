"""Window attention whose shift pads the map instead of rolling it (paper table 5, "shifted window (padding)")."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from swinkit.layers.attention import WindowAttention
from swinkit.ops.window_attention.padded_shift import padded_shift_attention
from swinkit.ops.windows import WindowGrid


class PaddedShiftAttention(WindowAttention):
    """What WindowAttention computes, up to rounding, by more and smaller windows; parameters are the same.

    `backend` decides in blocks without a shift alone. See `padded_shift_attention`.
    """

    def attend(
        self, x: Tensor, project: Callable[[Tensor], Tensor], *, bias: Tensor | None, grid: WindowGrid
    ) -> Tensor:
        if not grid.is_shifted:
            return super().attend(x, project, bias=bias, grid=grid)
        return padded_shift_attention(
            x,
            project,
            bias=bias,
            grid=grid,
            num_heads=self.num_heads,
            scale=self.scale,
            dropout_p=self.attn_drop_rate if self.training else 0.0,
        )
