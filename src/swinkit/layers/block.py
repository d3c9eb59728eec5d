"""One Swin Transformer block (paper section 3.2, figure 3b, equation 3)."""

from __future__ import annotations

from torch import Tensor, nn

from swinkit.layers.drop_path import DropPath
from swinkit.layers.mlp import Mlp


class SwinBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), on maps (B, H, W, C).

    Args:
        dim: C.
        attention: any module from (B, H, W, C) to (B, H, W, C).
        mlp_ratio: hidden width of the MLP as a multiple of C.
        drop_rate: dropout in the MLP, 0..1.
        drop_path_rate: share of samples for which a branch is dropped, 0..1; the same for both branches.
    """

    def __init__(
        self,
        dim: int,
        attention: nn.Module,
        *,
        mlp_ratio: float = 4.0,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = attention
        self.drop_path = DropPath(drop_path_rate)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), drop_rate=drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))
