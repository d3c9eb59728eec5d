"""The two-layer perceptron of a block, with the exact (erf) GELU."""

from __future__ import annotations

from torch import Tensor, nn

from swinkit.layers.plain import is_plain_layer
from swinkit.ops.perceptron import perceptron, splits_rows


class Mlp(nn.Module):
    """Linear, GELU, Linear on the last dimension: (..., C) to (..., C)."""

    def __init__(self, dim: int, hidden_dim: int, *, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_dim, dim)
        self.drop = nn.Dropout(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        if self._is_plain() and splits_rows(x, self.fc1.out_features):
            return perceptron(x, self.fc1.weight, self.fc1.bias, self.fc2.weight, self.fc2.bias)
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))

    def _is_plain(self) -> bool:
        """Whether the layers do nothing but what their names say: not replaced, not hooked, and no dropout."""
        if self.training and self.drop.p > 0.0:
            return False
        parts = ((self.fc1, nn.Linear), (self.act, nn.GELU), (self.fc2, nn.Linear))
        return all(is_plain_layer(part, kind) for part, kind in parts)
