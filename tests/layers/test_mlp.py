"""The MLP in pieces is the MLP, in values, gradients and what others hang on its layers."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swinkit.layers.mlp import Mlp
from swinkit.ops import perceptron


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven pieces of five rows, the last one of one."""
    monkeypatch.setattr(perceptron, "PIECE", 5 * 24)
    monkeypatch.setattr(perceptron, "LEAST_TO_SPLIT", 0)


def plain(mlp: Mlp, x: Tensor) -> Tensor:
    return F.linear(F.gelu(F.linear(x, mlp.fc1.weight, mlp.fc1.bias)), mlp.fc2.weight, mlp.fc2.bias)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(31, 6), (1, 1, 1, 6), (2, 3, 5, 6), (0, 6)])
def test_pieces_equal_the_layers(small_pieces: None, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    mlp = Mlp(6, 24).to(dtype)
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    with torch.no_grad():
        assert torch.allclose(mlp(x), plain(mlp, x), atol=tolerance)
    wanted = [x, *mlp.parameters()]
    ours, theirs = mlp(x), plain(mlp, x)
    assert torch.allclose(ours, theirs, atol=tolerance)
    weights = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad(ours, wanted, weights), torch.autograd.grad(theirs, wanted, weights), strict=True
    ):
        assert torch.allclose(a, b, atol=tolerance, rtol=1e-4)


def test_frozen_parts(small_pieces: None) -> None:
    mlp, x = Mlp(6, 24), torch.randn(31, 6)
    mlp.fc1.requires_grad_(False)
    mlp(x).sum().backward()
    assert mlp.fc1.weight.grad is None and mlp.fc2.weight.grad is not None
    expected = torch.autograd.grad(plain(mlp, x).sum(), mlp.fc2.weight)[0]
    assert torch.allclose(mlp.fc2.weight.grad, expected, atol=1e-4)


def test_second_derivatives(small_pieces: None) -> None:
    torch.manual_seed(0)
    mlp, x = Mlp(3, 8).double(), torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mlp, (x,))
    assert torch.autograd.gradgradcheck(mlp, (x,))


def test_dropout_is_not_left_out(small_pieces: None) -> None:
    mlp = Mlp(6, 24, drop_rate=0.5)
    out = mlp(torch.ones(1000, 6))
    assert 0.4 < (out == 0).float().mean() < 0.6
    assert not (mlp.eval()(torch.ones(10, 6)) == 0).any()


@torch.no_grad()
def test_hooks_and_replaced_layers_are_honoured(small_pieces: None) -> None:
    mlp, x = Mlp(6, 24).eval(), torch.randn(31, 6)
    seen = []
    handle = mlp.fc1.register_forward_hook(lambda module, inputs, out: seen.append(out.shape))
    mlp(x)
    assert seen == [(31, 24)]
    handle.remove()

    class Doubled(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    doubled = Doubled(24, 6)
    doubled.load_state_dict(mlp.fc2.state_dict())
    expected = 2 * mlp(x)
    mlp.fc2 = doubled
    assert torch.allclose(mlp(x), expected, atol=1e-5)
