"""Window attention on a CUDA device: equal to the reference there, and more windows than a grid dimension can count."""

import pytest
import torch
from attention_cases import BACKENDS, GRIDS, make_case

from swinkit.ops.window_attention import AttentionBackend
from swinkit.ops.window_attention.gathered import MOST_WINDOWS
from swinkit.ops.windows import WindowGrid

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
DEVICE = "cuda"
MANY = WindowGrid(2 * 260, 2 * 260, (2, 2), (1, 1))
"""67,600 windows in one image."""


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_equals_the_reference(grid: WindowGrid, backend: AttentionBackend) -> None:
    case = make_case(grid, dtype=torch.float64, device=DEVICE)
    ours, theirs = case.attend(backend), case.attend("reference")
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-10)
    for a, b in zip(case.gradients(ours), case.gradients(theirs), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_number_of_windows(dtype: torch.dtype) -> None:
    assert MANY.group_sizes[0] > MOST_WINDOWS
    case = make_case(MANY, batch=1, dtype=dtype, device=DEVICE)
    ours, theirs = case.attend("sdpa"), case.attend("matmul")
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    assert (ours - theirs).abs().max() < tolerance * theirs.abs().max()
    assert all(torch.isfinite(gradient).all() for gradient in case.gradients(ours))
