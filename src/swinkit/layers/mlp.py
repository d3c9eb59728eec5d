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
        own = self._modules  # rather than attributes, which PyTorch looks up slowly
        fc1, act, fc2, drop = own.get("fc1"), own.get("act"), own.get("fc2"), own.get("drop")
        for part, kind in ((fc1, nn.Linear), (act, nn.GELU), (fc2, nn.Linear), (drop, nn.Dropout)):
            if part is None or not is_unmodified(part, kind):
                return True
        assert isinstance(fc1, nn.Linear) and isinstance(fc2, nn.Linear)
        assert isinstance(act, nn.GELU) and isinstance(drop, nn.Dropout)
        if fc1.bias is None or fc2.bias is None:
            return True
        return act.approximate != "none" or (drop.training and drop.p > 0)
