"""Stochastic depth: whole samples, in training only, right on average."""

import pytest
import torch

from swinkit.layers.drop_path import DropPath


def test_evaluation_and_rate_0_change_nothing() -> None:
    x = torch.randn(4, 3)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0).train()(x) is x


def test_drops_whole_samples_and_scales_the_others() -> None:
    torch.manual_seed(0)
    x = 1 + torch.rand(1000, 2, 3, 4)
    out = DropPath(0.3).train()(x)
    factor = out / x
    assert torch.allclose(factor, factor[:, :1, :1, :1].expand_as(factor))
    is_dropped = factor[:, 0, 0, 0] == 0
    assert torch.allclose(factor[~is_dropped], torch.tensor(1 / 0.7))
    assert 0.25 < is_dropped.float().mean() < 0.35


def test_keeps_the_expectation() -> None:
    torch.manual_seed(0)
    out = DropPath(0.4).train()(torch.ones(20_000, 1))
    assert out.mean().item() == pytest.approx(1, abs=0.03)  # six standard deviations of the mean


def test_the_gradient_of_a_dropped_sample_is_zero() -> None:
    torch.manual_seed(0)
    x = torch.ones(100, 2, requires_grad=True)
    out = DropPath(0.5).train()(x)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())


def test_keeps_low_precision() -> None:
    x = torch.ones(8, 2, dtype=torch.bfloat16)
    assert DropPath(0.5).train()(x).dtype == torch.bfloat16
