"""FAVOR+ against softmax attention: exact in expectation, nearer with more features."""

import pytest
import torch
from torch import Tensor

from swinkit.ops.favor_attention import favor_attention, orthogonal_features, positive_features
from swinkit.ops.feature_count import feature_count


def tokens(count: int = 40, dim: int = 16, *, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, count, dim, generator=generator, dtype=dtype) for _ in range(3))
    return q, k, v


def features(count: int, dim: int = 16, seed: int = 0) -> Tensor:
    return orthogonal_features(count, dim, torch.Generator().manual_seed(seed)).double()


def mean_error(count: int) -> float:
    """Of the outputs against softmax attention, over ten draws, relative to the outputs' size. Logits are of the size
    that trained models have: 0.25 in the mean square."""
    q, k, v = tokens()
    q, k = q / 2, k / 2
    exact = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    errors = [(favor_attention(q, k, v, features(count, seed=seed)) - exact).norm() for seed in range(10)]
    return (torch.stack(errors).mean() / exact.norm()).item()


def test_the_error_falls_with_the_number_of_features() -> None:
    counts = (8, 32, 128, 512, 2048)
    errors = [mean_error(count) for count in counts]
    print("\n" + ", ".join(f"{count}: {error:.3f}" for count, error in zip(counts, errors, strict=True)))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 < 0.5 < errors[0]


def test_equals_the_quotient_of_sums_that_defines_it() -> None:
    """With the weights formed, and without anything that keeps exponentials small."""
    q, k, v = tokens(7, 4)
    directions = features(9, 4)

    def phi(x: Tensor) -> Tensor:
        scaled = x * 4**-0.25
        return (scaled @ directions.T - scaled.square().sum(-1, keepdim=True) / 2).exp()

    def stabilised(x: Tensor, *, per_token: bool) -> Tensor:
        plain = phi(x)
        most = plain.amax(-1 if per_token else (-2, -1), keepdim=True)
        return (plain / most + 1e-4) / 3

    for each, per_token in ((q, True), (k, False)):
        ours = positive_features(each, directions, per_token=per_token)
        assert torch.allclose(ours, stabilised(each, per_token=per_token), rtol=1e-12)
    weights = stabilised(q, per_token=True) @ stabilised(k, per_token=False).mT
    expected = weights @ v / weights.sum(-1, keepdim=True)
    assert torch.allclose(favor_attention(q, k, v, directions), expected, rtol=1e-10)


def test_gradients() -> None:
    q, k, v = (each.requires_grad_() for each in tokens(5, 4))
    directions = features(9, 4)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """With the maxima held, through which no gradient goes."""
        most = [positive_features(each, directions, per_token=one) for each, one in ((q, True), (k, False))]
        weights = most[0] @ most[1].mT
        return weights @ v / weights.sum(-1, keepdim=True)

    ours = torch.autograd.grad(favor_attention(q, k, v, directions).sin().sum(), (q, k, v))
    theirs = torch.autograd.grad(attend(q, k, v).sin().sum(), (q, k, v))
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-14) for a, b in zip(ours, theirs, strict=True))


def test_directions_are_orthogonal_in_blocks_and_as_long_as_gaussian_ones() -> None:
    drawn = features(40, 16)
    assert drawn.shape == (40, 16)
    products = drawn[:16] @ drawn[:16].T
    assert (products - products.diag().diag()).abs().max() < 1e-4
    lengths = features(4000, 16).norm(dim=1)
    assert lengths.mean().item() == pytest.approx(3.94, abs=0.1)  # of a Gaussian vector of 16
    assert lengths.std() > 0.5


@pytest.mark.parametrize(("dim", "count"), [(32, 110), (1, 1), (16, 44)])
def test_feature_count(dim: int, count: int) -> None:
    assert feature_count(dim) == count


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_computes_in_float32_inside(dtype: torch.dtype) -> None:
    q, k, v = (6 * each for each in tokens(dtype=torch.float32))
    narrow = [each.to(dtype) for each in (q, k, v)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = favor_attention(*narrow, features(44))
    wide = favor_attention(*(each.double() for each in narrow), features(44))
    assert out.dtype == dtype and out.isfinite().all()
    assert (out.double() - wide).abs().max() < (0.05 if dtype == torch.bfloat16 else 5e-3)
