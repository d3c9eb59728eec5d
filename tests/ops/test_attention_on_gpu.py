"""Window attention on a CUDA device: equal to the reference there, and more windows than a grid dimension can count."""

from collections.abc import Iterator

import pytest
import torch
from attention_cases import BACKENDS, GRIDS, Case, make_case
from torch import Tensor

from swinkit import SwinClassifier, SwinConfig
from swinkit.ops.window_attention import AttentionBackend, choose_backend
from swinkit.ops.window_attention.gathered import MOST_WINDOWS
from swinkit.ops.windows import WindowGrid

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
DEVICE = "cuda"
MANY = WindowGrid(2 * 260, 2 * 260, (2, 2), (1, 1))
"""67,600 windows in one image."""
STAGES = {
    "stage_1": (WindowGrid(56, 56, (7, 7), (3, 3)), 3, 32),
    "stage_2": (WindowGrid(28, 28, (7, 7)), 6, 32),
    "stage_3": (WindowGrid(14, 14, (7, 7), (3, 3)), 12, 32),
    "stage_4": (WindowGrid(7, 7, (7, 7)), 24, 32),
    "dense": (WindowGrid(100, 167, (7, 7), (3, 3)), 3, 32),
    "window_12": (WindowGrid(48, 48, (12, 12), (6, 6)), 4, 32),
    "window_16": (WindowGrid(40, 33, (16, 16), (8, 8)), 2, 32),
    "oblong": (WindowGrid(30, 50, (4, 16), (2, 8)), 2, 16),
    "large_heads": (WindowGrid(30, 50, (8, 8), (4, 4)), 2, 64),
    "odd_heads": (WindowGrid(30, 50, (9, 10), (4, 5)), 2, 40),
}
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-2}


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def values_and_gradients(case: Case, backend: AttentionBackend) -> tuple[Tensor, ...]:
    out = case.attend(backend)
    return out.detach(), *case.gradients(out)


def error(ours: Tensor, theirs: Tensor) -> float:
    """Relative, of the norm; a gradient that is zero but for rounding is compared absolutely."""
    return ((ours.double() - theirs).norm() / theirs.norm().clamp_min(0.1)).item()


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_equals_the_reference(grid: WindowGrid, backend: AttentionBackend) -> None:
    case = make_case(grid, dtype=torch.float64, device=DEVICE)
    ours, theirs = case.attend(backend), case.attend("reference")
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-10)
    for a, b in zip(case.gradients(ours), case.gradients(theirs), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_fused_kernels_on_awkward_maps(grid: WindowGrid, dtype: torch.dtype) -> None:
    case = make_case(grid, dtype=dtype, device=DEVICE, batch=3)
    pairs = zip(values_and_gradients(case, "triton"), values_and_gradients(case.widened(), "reference"), strict=True)
    assert max(error(a, b) for a, b in pairs) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", STAGES)
def test_fused_kernels_at_full_size(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    # The projection is cuBLAS's, which is asked to be exact as well.
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    grid, heads, head_dim = STAGES[name]
    case = make_case(grid, dtype=dtype, device=DEVICE, batch=8, heads=heads, head_dim=head_dim)
    pairs = zip(values_and_gradients(case, "triton"), values_and_gradients(case.widened(), "reference"), strict=True)
    assert max(error(a, b) for a, b in pairs) < TOLERANCE[dtype]


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("name", ["dense", "window_12"])
def test_fused_kernels_repeat_themselves_on_request(name: str) -> None:
    grid, heads, head_dim = STAGES[name]
    case = make_case(grid, dtype=torch.bfloat16, device=DEVICE, batch=8, heads=heads, head_dim=head_dim)
    out = case.attend("triton")
    inputs = [case.x, case.bias]  # the gradients of the projection are cuBLAS's
    first = torch.autograd.grad(out, inputs, case.upstream, retain_graph=True)
    again = torch.autograd.grad(out, inputs, case.upstream)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_the_default_is_sdpa_until_times_are_measured() -> None:
    grid, heads, head_dim = STAGES["stage_1"]
    case = make_case(grid, dtype=torch.bfloat16, device=DEVICE, batch=1, heads=heads, head_dim=head_dim)
    assert choose_backend(case.x, bias=case.bias, grid=grid, num_heads=heads) == "sdpa"


def test_a_model_compiles_with_generated_code() -> None:
    torch.manual_seed(0)
    config = SwinConfig(embed_dim=32, depths=(2, 2), num_heads=(1, 2), window_size=7)
    model = SwinClassifier(config, num_classes=5, attention_backend="triton").to(DEVICE)
    compiled = torch.compile(model, fullgraph=True)
    images = torch.randn(2, 3, 100, 130, device=DEVICE)
    ours = torch.autograd.grad(compiled(images).square().mean(), list(model.parameters()))
    model.use_attention("reference")
    theirs = torch.autograd.grad(model(images).square().mean(), list(model.parameters()))
    assert max(error(a, b.double()) for a, b in zip(ours, theirs, strict=True)) < 1e-3


@pytest.mark.parametrize("backend", ["sdpa", "triton"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_number_of_windows(dtype: torch.dtype, backend: AttentionBackend) -> None:
    assert MANY.group_sizes[0] > MOST_WINDOWS
    case = make_case(MANY, batch=1, dtype=dtype, device=DEVICE)
    ours, theirs = case.attend(backend), case.attend("matmul")
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    assert (ours - theirs).abs().max() < tolerance * theirs.abs().max()
    assert all(torch.isfinite(gradient).all() for gradient in case.gradients(ours))
