"""Sliding windows: both ways against the rule spelled out query by query, in values and gradients."""

import pytest
import torch
from torch import Tensor

from swinkit.errors import InputError
from swinkit.ops.sliding_attention import SlidingBackend, sliding_attention

MAPS = [(1, 1), (1, 9), (9, 1), (3, 5), (7, 7), (8, 8), (13, 6), (14, 7), (15, 8), (6, 16), (2, 2), (5, 17)]
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def inputs(size: tuple[int, int], window: int, *, heads: int = 2, dim: int = 3, batch: int = 2) -> Inputs:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    q, k, v = (random(batch, *size, heads, dim) for _ in range(3))
    return q, k, v, random(window * window, heads)


def by_hand(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, *, window: int, scale: float) -> Tensor:
    """The rule, one query at a time."""
    _, height, width, _, _ = q.shape
    row = torch.arange(window).repeat_interleave(window) - window // 2
    column = torch.arange(window).repeat(window) - window // 2
    out = []
    for y in range(height):
        for x in range(width):
            ky, kx = y + row, x + column
            is_outside = (ky < 0) | (ky >= height) | (kx < 0) | (kx >= width)
            ky, kx = ky.clamp(0, height - 1), kx.clamp(0, width - 1)
            logits = torch.einsum("bhd,bphd->bph", q[:, y, x] * scale, k[:, ky, kx])
            logits = logits.masked_fill(is_outside[:, None], -100.0) + (0 if bias is None else bias)
            values = v[:, ky, kx].masked_fill(is_outside[:, None, None], 0.0)
            out.append(torch.einsum("bph,bphd->bhd", logits.softmax(1), values))
    return torch.stack(out, 1).view(q.shape)


def values_and_gradients(out: Tensor, leaves: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return out.detach(), *torch.autograd.grad(out, leaves, upstream.to(out.dtype))


def largest_error(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> float:
    pairs = zip(ours, theirs, strict=True)
    return max(((a - b).abs().max() / b.abs().max().clamp_min(1e-3)).item() for a, b in pairs)


@pytest.mark.parametrize("backend", ["reference", "blocks"])
@pytest.mark.parametrize("window", [7, 4])
@pytest.mark.parametrize("size", MAPS, ids=str)
def test_equals_the_rule(size: tuple[int, int], window: int, backend: SlidingBackend) -> None:
    q, k, v, bias = inputs(size, window)
    for given in (bias, None):
        leaves = (q, k, v) if given is None else (q, k, v, bias)
        ours = sliding_attention(q, k, v, bias=given, window=window, scale=0.7, backend=backend)
        theirs = by_hand(q, k, v, given, window=window, scale=0.7)
        assert largest_error(values_and_gradients(ours, leaves), values_and_gradients(theirs, leaves)) < 1e-11


@pytest.mark.parametrize("window", [1, 12])
def test_other_windows(window: int) -> None:
    leaves = inputs((14, 13), window)
    q, k, v, bias = leaves
    ours, theirs = (
        sliding_attention(q, k, v, bias=bias, window=window, scale=0.7, backend=backend)
        for backend in ("blocks", "reference")
    )
    assert largest_error(values_and_gradients(ours, leaves), values_and_gradients(theirs, leaves)) < 1e-11


def test_many_images_go_in_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swinkit.ops.sliding_attention.blocks.MOST_LOGITS", 1)
    leaves = inputs((9, 9), 3, batch=3)
    q, k, v, bias = leaves
    ours, theirs = (
        sliding_attention(q, k, v, bias=bias, window=3, scale=0.7, backend=backend)
        for backend in ("blocks", "reference")
    )
    assert largest_error(values_and_gradients(ours, leaves), values_and_gradients(theirs, leaves)) < 1e-11


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2), (torch.float16, 3e-3)])
def test_lower_precision(dtype: torch.dtype, tolerance: float) -> None:
    wide = inputs((16, 23), 7, dim=32)
    narrow = tuple(leaf.detach().to(dtype).requires_grad_() for leaf in wide)
    results = []
    for q, k, v, bias in (narrow, wide):
        out = sliding_attention(q, k, v, bias=bias, window=7, scale=32**-0.5, backend="blocks")
        assert out.dtype == q.dtype
        results.append(tuple(each.double() for each in values_and_gradients(out, (q, k, v))))
    assert largest_error(*results) < tolerance


def test_nothing_of_the_size_of_the_copies_is_kept() -> None:
    saved: list[int] = []

    def count(tensor: Tensor) -> Tensor:
        saved.append(tensor.numel())
        return tensor

    q, k, v, bias = inputs((28, 28), 7, dim=16)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        sliding_attention(q, k, v, bias=bias, window=7, scale=0.7, backend="blocks")
    assert max(saved) < 2 * q.numel()
    saved.clear()
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        sliding_attention(q, k, v, bias=bias, window=7, scale=0.7, backend="reference")
    assert max(saved) >= 49 * q.numel()


def test_dropout_takes_the_naive_way() -> None:
    q, k, v, bias = inputs((6, 6), 3)
    torch.manual_seed(0)
    one, two = (
        sliding_attention(q, k, v, bias=bias, window=3, scale=0.7, dropout_p=0.3, backend=backend)
        for backend in ("auto", "reference")
    )
    assert not torch.equal(one, two)
    with pytest.raises(InputError, match="'blocks' cannot run with dropout"):
        sliding_attention(q, k, v, bias=bias, window=3, scale=0.7, dropout_p=0.3, backend="blocks")
