"""The fused kernels in Triton's interpreter on a CPU, against the fp64 reference: values, gradients, and the operator.

Needs TRITON_INTERPRET=1 before Triton is imported, so `test_triton_attention` runs this file in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from attention_cases import GRIDS, Case, make_case, pairwise_attention
from torch import Tensor

from swinkit import SwinClassifier, SwinConfig
from swinkit.ops.window_attention import proof, triton_launch, window_attention
from swinkit.ops.window_attention.fused import triton_attention
from swinkit.ops.window_attention.triton_op import fused_attention
from swinkit.ops.window_attention.triton_plan import Device
from swinkit.ops.windows import WindowGrid

assert os.environ.get("TRITON_INTERPRET") == "1"

LARGER = {
    "swin": (WindowGrid(13, 9, (7, 7), (3, 3)), 3, 32),
    "small_windows": (WindowGrid(7, 9, (4, 4), (2, 2)), 2, 16),
    "oblong": (WindowGrid(6, 20, (4, 16), (2, 8)), 1, 48),
    "full_tile": (WindowGrid(10, 8, (8, 8), (4, 4)), 1, 64),
    "two_kernels": (WindowGrid(5, 12, (9, 10), (4, 5)), 1, 20),
    "window_12": (WindowGrid(7, 13, (12, 12), (6, 6)), 1, 32),
    "window_16": (WindowGrid(16, 17, (16, 16), (8, 8)), 1, 16),
    "window_16_one_pixel": (WindowGrid(1, 1, (16, 16)), 1, 64),
}
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-2}
SMALL = SwinConfig(embed_dim=8, depths=(2,), num_heads=(2,), window_size=4, image_size=(32, 32))


@pytest.fixture(autouse=True)
def nan_filled_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kernel forgets to write, or reads before it is written, shows."""

    def filled(tensor: Tensor) -> Tensor:
        return tensor.fill_(torch.nan) if tensor.is_floating_point() else tensor

    empty, empty_like = torch.empty, torch.empty_like
    monkeypatch.setattr(torch, "empty", lambda *sizes, **options: filled(empty(*sizes, **options)))
    monkeypatch.setattr(torch, "empty_like", lambda *sizes, **options: filled(empty_like(*sizes, **options)))


@pytest.fixture
def many_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """One window for each program, so that sums have many parts."""
    monkeypatch.setattr(triton_launch, "device_of", lambda device: Device(processors=1000, shared_memory=1 << 30))


def values_and_gradients(case: Case, backend: str) -> tuple[Tensor, ...]:
    out = case.attend(backend)
    return out.detach(), *case.gradients(out)


def error(ours: Tensor, theirs: Tensor) -> float:
    """Relative, of the norm; a gradient that is zero but for rounding is compared absolutely."""
    assert ours.shape == theirs.shape
    return ((ours.double() - theirs).norm() / theirs.norm().clamp_min(0.1)).item()


def check(grid: WindowGrid, *, dtype: torch.dtype = torch.float32, batch: int = 2, **options: int) -> None:
    case = make_case(grid, dtype=dtype, batch=batch, **options)
    ours = values_and_gradients(case, "triton")
    theirs = values_and_gradients(case.widened(), "reference")
    errors = [error(a, b) for a, b in zip(ours, theirs, strict=True)]
    print(f"{grid} {options} {dtype}: " + " ".join(f"{e:.1e}" for e in errors))
    assert max(errors) < TOLERANCE[dtype], errors
    assert all(tensor.dtype == dtype for tensor in ours)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_awkward_maps(grid: WindowGrid) -> None:
    check(grid, batch=1)


@pytest.mark.parametrize("name", ["whole_shifted", "padded"])
def test_no_biases(name: str) -> None:
    check(GRIDS[name], has_biases=False)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "window_16" else []) for name in LARGER]
)
def test_windows_and_heads_of_every_size(name: str) -> None:
    grid, heads, head_dim = LARGER[name]
    check(grid, batch=1, heads=heads, head_dim=head_dim)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("swin", torch.bfloat16),
        ("swin", torch.float16),
        ("two_kernels", torch.bfloat16),
        ("small_windows", torch.float16),
    ],
)
def test_low_precision(name: str, dtype: torch.dtype) -> None:
    grid, heads, head_dim = LARGER[name]
    check(grid, dtype=dtype, batch=1, heads=heads, head_dim=head_dim)


@pytest.mark.usefixtures("many_programs")
@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("name", ["padded_shifted", "shifted_right_only"])
def test_sums_of_many_programs(name: str, deterministic: bool) -> None:
    torch.use_deterministic_algorithms(deterministic)
    try:
        check(GRIDS[name])
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("many_programs")
def test_sums_of_many_programs_of_two_kernels() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        check(WindowGrid(5, 12, (9, 10), (4, 5)), batch=1, heads=1, head_dim=16)
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("many_programs")
def test_the_deterministic_way_uses_no_atomics(monkeypatch: pytest.MonkeyPatch) -> None:
    from swinkit.ops.window_attention import triton_backward

    def refuse(*places: object, **options: object) -> None:
        raise AssertionError("an atomic sum")

    monkeypatch.setattr(triton_backward.tl, "atomic_add", refuse)
    case = make_case(GRIDS["smaller_than_a_window_shifted"], dtype=torch.float32)
    with pytest.raises(Exception, match="an atomic sum"):
        values_and_gradients(case, "triton")
    torch.use_deterministic_algorithms(True)
    try:
        values_and_gradients(case, "triton")
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("name", ["smaller_than_a_window_shifted", "smaller_than_a_window_shifted"])
def test_padded_tokens_are_attended_with_the_qkv_bias(name: str) -> None:
    exact, case = make_case(GRIDS[name]), make_case(GRIDS[name], dtype=torch.float32)
    out = case.attend("triton").detach()
    assert error(out, pairwise_attention(exact)) < 1e-5
    assert error(out, pairwise_attention(exact, sees_padding=False)) > 0.01


@pytest.mark.parametrize("shift", [(0, 0), (1, 1)])
def test_every_pair_of_tokens_is_seen_or_masked_as_in_the_definition(shift: tuple[int, int]) -> None:
    """Whose output depends on whom: image number i of the batch is asked for its token number i."""
    grid = WindowGrid(3, 3, (2, 2), shift)
    seen = []
    for dtype, backend in ((torch.float32, "triton"), (torch.float64, "reference")):
        case = make_case(grid, dtype=dtype, batch=9, heads=1)
        out = case.attend(backend)
        (gradient,) = torch.autograd.grad(out.flatten(1, 2).sum(-1).diagonal().sum(), case.x)
        seen.append(gradient.abs().sum(-1) > 1e-30)
    assert torch.equal(*seen)


def test_the_comparison_of_the_first_use_finds_the_kernels_sound() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        assert proof.fault(triton_attention, torch.device("cpu"), dtype=dtype, window=(4, 4), head_dim=16) is None


def test_autocast_computes_in_its_dtype_and_returns_gradients_in_theirs() -> None:
    rounded = make_case(GRIDS["one_row"], dtype=torch.bfloat16)
    rounded = replace(rounded, scale=0.2)
    case = rounded.widened(torch.float32)
    theirs = values_and_gradients(rounded.widened(), "reference")
    with torch.autocast("cpu", torch.bfloat16):
        out = case.attend("triton")
    assert out.dtype == torch.bfloat16
    gradients = torch.autograd.grad(out, case.leaves, case.upstream.bfloat16())
    assert all(gradient.dtype == torch.float32 for gradient in gradients)
    assert max(error(a, b) for a, b in zip((out, *gradients), theirs, strict=True)) < 2e-2


def test_a_frozen_bias_gets_no_gradient() -> None:
    case = make_case(GRIDS["smaller_than_a_window_shifted"], dtype=torch.float32)
    expected = case.gradients(case.attend("triton"))[0]
    case.bias.requires_grad_(False)
    (gradient,) = torch.autograd.grad(case.attend("triton"), case.x, case.upstream)
    assert torch.equal(gradient, expected)


def test_memory_in_another_order() -> None:
    """An upstream gradient that is broadcast, and qkv that is not contiguous."""
    case = make_case(GRIDS["smaller_than_a_window_shifted"], dtype=torch.float32)
    plain = torch.autograd.grad(case.attend("triton"), case.leaves, torch.ones(2, 3, 5, 6))
    expanded = torch.autograd.grad(case.attend("triton"), case.leaves, torch.ones(1).expand(2, 3, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(plain, expanded, strict=True))
    turned = window_attention(
        case.x,
        lambda x: case.project(x).transpose(0, -1).contiguous().transpose(0, -1),
        bias=case.bias.transpose(1, 2).contiguous().transpose(1, 2),
        grid=case.grid,
        num_heads=2,
        scale=case.scale,
        backend="triton",
    )
    assert torch.equal(turned, case.attend("triton"))


def test_no_image_at_all() -> None:
    case = make_case(GRIDS["padded_shifted"], dtype=torch.float32, batch=0)
    out, d_x, *others = values_and_gradients(case, "triton")
    assert out.shape == d_x.shape == (0, 13, 9, 6)
    assert all((gradient == 0).all() for gradient in others)


@pytest.mark.parametrize("has_all", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_operator_is_registered_soundly(has_all: bool) -> None:
    grid = WindowGrid(3, 2, (2, 2), (1, 1))
    case = make_case(grid, dtype=torch.float32, batch=1, has_biases=has_all)
    qkv = case.project(case.x).detach().requires_grad_()
    padding = torch.randn(18, requires_grad=True) if has_all else None
    arguments = (qkv, padding, case.bias, 2, list(grid.window), list(grid.shift), case.scale, True)
    torch.library.opcheck(fused_attention, arguments)


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("dynamic", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_model_compiles_to_one_graph(dynamic: bool) -> None:
    torch.manual_seed(0)
    model = SwinClassifier(SMALL, num_classes=5, attention_backend="triton")
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    images = torch.randn(1, 3, 21, 30)
    ours = torch.autograd.grad(compiled(images).square().mean(), list(model.parameters()))
    model.use_attention("reference")
    theirs = torch.autograd.grad(model(images).square().mean(), list(model.parameters()))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_a_model_exports_with_the_operator_in_it() -> None:
    model = SwinClassifier(SMALL, num_classes=5, attention_backend="triton").eval()
    images = torch.randn(1, 3, 21, 30)
    program = torch.export.export(model, (images,))
    assert any("swinkit.window_attention" in str(node.target) for node in program.graph.nodes)
    expected = model(images)
    assert torch.allclose(program.module()(images), expected, atol=1e-6)
    model.use_attention("auto")  # on a CPU not these kernels
    assert torch.allclose(model(images), expected, atol=1e-5)
    program = torch.export.export(model, (images,))
    assert not any("swinkit" in str(node.target) for node in program.graph.nodes)
