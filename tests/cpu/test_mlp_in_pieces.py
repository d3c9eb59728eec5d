"""The MLP in pieces is the formula, in values and gradients, wherever its pieces end."""

import pytest
import torch
from torch import Tensor

from swinkit.cpu import linear
from swinkit.ops.mlp import mlp, reference_mlp


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven pieces of five rows, the last one of one."""
    monkeypatch.setattr(linear, "PIECE", 5 * 24)


def make_case(*shape: int, hidden: int = 24, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """x, and the weights and biases of both layers."""
    torch.manual_seed(0)
    width = shape[-1]
    sizes = (shape, (hidden, width), (hidden,), (width, hidden), (width,))
    return [torch.randn(size, dtype=dtype, requires_grad=True) for size in sizes]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("shape", [(31, 6), (1, 1, 1, 6), (2, 3, 5, 6), (0, 6)])
def test_equals_the_formula(shape: tuple[int, ...], dtype: torch.dtype, tolerance: float) -> None:
    case = make_case(*shape, dtype=dtype)
    with torch.no_grad():
        assert torch.allclose(mlp(*case, backend="cpu"), reference_mlp(*case), atol=tolerance)
    ours, theirs = mlp(*case, backend="cpu"), reference_mlp(*case)
    assert torch.allclose(ours, theirs, atol=tolerance)
    upstream = torch.randn_like(ours)
    gradients = (torch.autograd.grad(out, case, upstream) for out in (ours, theirs))
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, atol=tolerance, rtol=1e-4)


def test_frozen_parts() -> None:
    x, w1, b1, w2, b2 = make_case(31, 6)
    frozen = (x.detach(), w1.detach(), b1.detach(), w2, b2)
    (ours,) = torch.autograd.grad(mlp(*frozen, backend="cpu").sum(), w2)
    (theirs,) = torch.autograd.grad(reference_mlp(*frozen).sum(), w2)
    assert torch.allclose(ours, theirs)


def test_second_derivatives() -> None:
    case = make_case(7, 3, hidden=8)
    assert torch.autograd.gradcheck(lambda *case: mlp(*case, backend="cpu"), case)
    assert torch.autograd.gradgradcheck(lambda *case: mlp(*case, backend="cpu"), case)
