"""A block: two residual branches in the paper's order, each behind its norm."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swinkit.layers.block import SwinBlock
from swinkit.layers.mlp import Mlp


class Doubling(nn.Module):
    """Stands in for attention."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_two_residual_branches() -> None:
    block = SwinBlock(6, Doubling()).eval()
    x = torch.randn(2, 3, 4, 6)
    middle = x + 2 * F.layer_norm(x, (6,))
    hidden = F.gelu(block.mlp.fc1(F.layer_norm(middle, (6,))))  # the exact GELU
    assert torch.allclose(block(x), middle + block.mlp.fc2(hidden), atol=1e-6)


def test_width_of_the_mlp() -> None:
    assert SwinBlock(6, Doubling()).mlp.fc1.out_features == 24
    assert SwinBlock(6, Doubling(), mlp_ratio=2.5).mlp.fc1.out_features == 15


def test_both_branches_are_dropped_independently() -> None:
    torch.manual_seed(0)
    block = SwinBlock(6, Doubling(), drop_path_rate=0.5).train()
    x = torch.randn(1, 1, 1, 6).expand(400, 1, 1, 6)
    outcomes = torch.unique(block(x), dim=0)
    assert len(outcomes) == 4  # none, either, both
    assert any(torch.equal(outcome, x[0]) for outcome in outcomes)


def test_dropout_of_the_mlp_acts_in_training_only() -> None:
    torch.manual_seed(0)
    mlp = Mlp(6, 24, drop_rate=0.5)
    x = torch.randn(10, 6)
    assert (mlp.train()(x) == 0).any()
    assert torch.equal(mlp.eval()(x), mlp.eval()(x))
