"""The two-layer perceptron of a block, with the exact (erf) GELU."""

from __future__ import annotations

from torch import Tensor, nn

from swinkit.layers.unmodified import is_unmodified
from swinkit.ops.mlp import mlp
from swinkit.ops.tracing import is_fx, leaf


class Mlp(nn.Module):
    """Linear, GELU, Linear on the last dimension: (..., C) to (..., C)."""

    def __init__(self, dim: int, hidden_dim: int, *, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_dim, dim)
        self.drop = nn.Dropout(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        if is_fx(x):
            return leaf(self, x)
        if self.must_be_called():
            return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))
        return mlp(x, self.fc1.weight, self.fc1.bias, self.fc2.weight, self.fc2.bias)

    def must_be_called(self) -> bool:
        """Whether a layer does more than the op: dropout, or whatever someone has put in its place or hung on it."""
        parts = ((self.fc1, nn.Linear), (self.act, nn.GELU), (self.fc2, nn.Linear), (self.drop, nn.Dropout))
        if not all(is_unmodified(part, kind) for part, kind in parts):
            return True
        if self.fc1.bias is None or self.fc2.bias is None:
            return True
        return self.act.approximate != "none" or (self.drop.training and self.drop.p > 0)
