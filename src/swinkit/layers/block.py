"""One Swin Transformer block (paper section 3.2, figure 3b, equation 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swinkit.cpu.block import add_branches, block_obstacle
from swinkit.layers.attention import WindowAttention
from swinkit.layers.drop_path import DropPath
from swinkit.layers.mlp import Mlp
from swinkit.layers.unmodified import is_unmodified
from swinkit.ops.tracing import is_fx


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
        attention = self.attn
        if not (is_fx(x) or torch.is_grad_enabled()) and isinstance(attention, WindowAttention):
            norm1, norm2, proj, mlp = self.norm1, self.norm2, attention.proj, self.mlp
            can_be_read = self._can_be_read(attention) and not mlp.must_be_called()
            if can_be_read and block_obstacle(x, norm1, proj, norm2, mlp.fc1, mlp.fc2) is None:
                return add_branches(
                    x,
                    attention.before_projection,
                    norm1=norm1,
                    proj=proj,
                    norm2=norm2,
                    fc1=mlp.fc1,
                    fc2=mlp.fc2,
                )
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _can_be_read(self, attention: WindowAttention) -> bool:
        """Whether no layer but those of the MLP does more than its weights say."""
        parts = (
            (self.norm1, nn.LayerNorm),
            (attention, type(attention)),
            (attention.proj, nn.Linear),
            (attention.proj_drop, nn.Dropout),
            (self.norm2, nn.LayerNorm),
            (self.drop_path, DropPath),
            (self.mlp, Mlp),
        )
        if type(attention).forward is not WindowAttention.forward:
            return False
        if not all(is_unmodified(part, kind) for part, kind in parts):
            return False
        drops = attention.proj_drop.training and attention.proj_drop.p > 0
        return not (drops or (self.drop_path.training and self.drop_path.rate > 0))
