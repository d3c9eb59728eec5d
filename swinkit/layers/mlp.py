"""The two-layer perceptron of a block, with the exact (erf) GELU."""

from __future__ import annotations

from torch import Tensor, nn


class Mlp(nn.Module):
    """Linear, GELU, Linear on the last dimension: (..., C) to (..., C)."""

    def __init__(self, dim: int, hidden_dim: int, *, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_dim, dim)
        self.drop = nn.Dropout(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))
