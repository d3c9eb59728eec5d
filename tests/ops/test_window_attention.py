"""Every way to compute window attention equals the reference, and the reference its definition, in gradients too."""

import pytest
import torch
from attention_cases import BACKENDS, CPU_BACKENDS, GRIDS, Case, make_case, pairwise_attention
from torch import Tensor

from swinkit.cpu.switch import fast_cpu
from swinkit.errors import InputError
from swinkit.ops.window_attention import AttentionBackend, check_backend, choose_backend, window_attention
from swinkit.ops.windows import WindowGrid


def largest_error(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> float:
    """Of the largest magnitude, over all tensors; a gradient of zeros is compared absolutely."""
    pairs = zip(ours, theirs, strict=True)
    return max(((a - b).abs().max() / b.abs().max().clamp_min(1)).item() for a, b in pairs)


def values_and_gradients(case: Case, backend: AttentionBackend) -> tuple[Tensor, ...]:
    out = case.attend(backend)
    return out.detach(), *case.gradients(out)


@pytest.mark.parametrize("has_biases", [True, False])
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_the_reference_equals_its_definition(grid: WindowGrid, has_biases: bool) -> None:
    case = make_case(grid, has_biases=has_biases)
    expected = pairwise_attention(case)
    ours = values_and_gradients(case, "reference")
    assert largest_error(ours, (expected.detach(), *case.gradients(expected))) < 1e-12


@pytest.mark.parametrize("backend", CPU_BACKENDS)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("has_biases", [True, False])
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_equals_the_reference(grid: WindowGrid, has_biases: bool, batch: int, backend: AttentionBackend) -> None:
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        case = make_case(grid, batch=batch, has_biases=has_biases, dtype=dtype)
        ours, theirs = values_and_gradients(case, backend), values_and_gradients(case, "reference")
        assert largest_error(ours, theirs) < tolerance
        assert all(a.dtype == b.dtype and a.shape == b.shape for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("backend", ["reference", *CPU_BACKENDS])
@pytest.mark.parametrize("name", ["padded", "padded_shifted", "smaller_than_a_window_shifted", "one_row"])
def test_padded_tokens_are_attended_with_the_qkv_bias(name: str, backend: AttentionBackend) -> None:
    case = make_case(GRIDS[name])
    out = case.attend(backend)
    assert largest_error((out,), (pairwise_attention(case),)) < 1e-12
    assert largest_error((out,), (pairwise_attention(case, sees_padding=False),)) > 0.05


@pytest.mark.parametrize("backend", ["reference", *CPU_BACKENDS])
def test_tokens_that_meet_only_through_the_shift_do_not_see_each_other(backend: AttentionBackend) -> None:
    grid = GRIDS["whole_shifted"]
    case = make_case(grid)
    out = case.attend(backend)
    (gradient,) = torch.autograd.grad(out[:, 0, 0].sum(), case.x)
    seen = gradient.abs().sum(dim=(0, 3)) > 1e-30
    expected = torch.zeros(8, 12, dtype=torch.bool)
    expected[:2, :2] = True  # the corner that the shift has cut off, and nothing from the far sides
    assert torch.equal(seen, expected)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
def test_dropout_of_attention_weights_keeps_the_expectation(backend: AttentionBackend) -> None:
    torch.manual_seed(0)
    case = make_case(WindowGrid(4, 4, (2, 2), (1, 1)), batch=4000)
    same = case.x[:1].detach().expand_as(case.x)
    plain, dropped = (
        window_attention(
            same, case.project, bias=case.bias, grid=case.grid, num_heads=2, scale=0.7, dropout_p=p, backend=backend
        )
        for p in (0.0, 0.3)
    )
    assert not torch.allclose(dropped[0], dropped[1])
    assert (dropped.mean(0) - plain[0]).abs().max() < 0.1 * plain[0].abs().max()


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_second_derivatives(backend: AttentionBackend) -> None:
    case = make_case(WindowGrid(3, 4, (2, 2), (1, 1)), batch=1)

    def attend(x: Tensor) -> Tensor:
        return window_attention(
            x, case.project, bias=case.bias, grid=case.grid, num_heads=2, scale=0.7, backend=backend
        )

    assert torch.autograd.gradcheck(attend, (case.x,))
    if backend != "sdpa":  # PyTorch's own fused attention has no second derivative on a CPU
        assert torch.autograd.gradgradcheck(attend, (case.x,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", ["reference", *BACKENDS])
@pytest.mark.parametrize("name", ["padded_shifted", "one_row"])
def test_low_precision_stays_finite_and_near(name: str, backend: AttentionBackend, dtype: torch.dtype) -> None:
    case, exact = make_case(GRIDS[name], dtype=dtype), make_case(GRIDS[name])
    out = case.attend(backend)
    assert out.dtype == dtype
    assert torch.isfinite(torch.cat([gradient.flatten() for gradient in case.gradients(out)])).all()
    assert largest_error((out.double(),), (exact.attend("reference"),)) < (0.1 if dtype == torch.bfloat16 else 0.02)


def chosen(case: Case, *, dropout_p: float = 0.0) -> AttentionBackend:
    return choose_backend(case.x, bias=case.bias, grid=case.grid, num_heads=case.heads, dropout_p=dropout_p)


def test_the_default_on_a_cpu() -> None:
    trained, frozen = make_case(GRIDS["padded_shifted"]), make_case(GRIDS["padded_shifted"], has_biases=False)
    assert chosen(trained) == "cpu"
    assert chosen(trained, dropout_p=0.5) == "matmul"
    assert chosen(frozen) == "sdpa"
    with torch.no_grad():
        assert chosen(trained) == chosen(frozen, dropout_p=0.5) == "cpu"
    with fast_cpu(False):
        assert chosen(trained) == "matmul"
        with torch.no_grad():
            assert chosen(frozen) == "sdpa"
    assert torch.equal(trained.attend("auto"), trained.attend("cpu"))


@pytest.mark.parametrize("name", ["flash", "", "SDPA"])
def test_an_unknown_backend_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="choose one of"):
        check_backend(name)
