"""One Swin Transformer block (paper section 3.2, figure 3b, equation 3)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from swinkit.layers.attention import WindowAttention
from swinkit.layers.drop_path import DropPath
from swinkit.layers.mlp import Mlp
from swinkit.layers.unmodified import is_unmodified
from swinkit.ops.block import BlockLayers, add_branches, can_add_branches
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
        if not is_fx(x) and can_add_branches(x):
            layers = self._layers_to_read()
            if layers is not None:
                assert isinstance(self.attn, WindowAttention)
                at_once = add_branches(x, self.attn.before_projection, layers)
                if at_once is not None:
                    return at_once
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _layers_to_read(self) -> BlockLayers | None:
        """The layers whose weights say all that the block does beside its attention; None where one does more."""
        own = self._modules  # rather than attributes, which PyTorch looks up slowly: an image asks every block
        norm1, attention, drop_path, norm2, mlp = (
            own.get(name) for name in ("norm1", "attn", "drop_path", "norm2", "mlp")
        )
        if not isinstance(attention, WindowAttention) or type(attention).forward is not WindowAttention.forward:
            return None
        proj, proj_drop = attention._modules.get("proj"), attention._modules.get("proj_drop")
        parts = (
            (norm1, nn.LayerNorm),
            (attention, type(attention)),
            (proj, nn.Linear),
            (proj_drop, nn.Dropout),
            (drop_path, DropPath),
            (norm2, nn.LayerNorm),
            (mlp, Mlp),
        )
        for part, kind in parts:
            if part is None or not is_unmodified(part, kind):
                return None
        assert isinstance(mlp, Mlp) and isinstance(proj_drop, nn.Dropout) and isinstance(drop_path, DropPath)
        if (proj_drop.training and proj_drop.p > 0) or (drop_path.training and drop_path.rate > 0):
            return None
        if mlp.must_be_called():
            return None
        layers = (norm1, proj, norm2, mlp._modules["fc1"], mlp._modules["fc2"])
        return BlockLayers(*cast("tuple[nn.LayerNorm, nn.Linear, nn.LayerNorm, nn.Linear, nn.Linear]", layers))
