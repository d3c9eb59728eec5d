"""The fused kernels without a GPU: `interpreted_attention` in a process that interprets Triton; refusals; plans."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from attention_cases import GRIDS, make_case
from old_torch import not_interpreted_by_old_triton
from torch._subclasses.fake_tensor import FakeTensorMode

from swinkit.errors import InputError
from swinkit.layers.attention import WindowAttention
from swinkit.ops import window_attention as window_attention_module
from swinkit.ops.window_attention import backend_obstacle, choose_backend, fused, proof, window_attention
from swinkit.ops.window_attention.gathered import sdpa_attention
from swinkit.ops.window_attention.reference import reference_attention
from swinkit.ops.window_attention.triton_plan import PROGRAMS, TILES, Device, Kernel, build_plan, fits, side
from swinkit.ops.windows import WindowGrid

H100 = Device(processors=132, shared_memory=227 * 1024)
SWIN_T = WindowGrid(56, 56, (7, 7), (3, 3))
HAS_TRITON = importlib.util.find_spec("triton") is not None


@pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed")
@not_interpreted_by_old_triton
@pytest.mark.parametrize("marks", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_equals_the_reference_in_the_interpreter(marks: str) -> None:
    here = Path(__file__).parent
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", marks, str(here / "interpreted_attention.py")],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        cwd=here.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]


def test_swinkit_works_without_triton() -> None:
    """Importing it does not import Triton, and a machine that lacks it is told so."""
    lines = (
        "import sys",
        "sys.modules['triton'] = None",
        "import importlib.util, torch, swinkit",
        "find = importlib.util.find_spec",
        "importlib.util.find_spec = lambda name: None if name == 'triton' else find(name)",
        "from swinkit.layers.attention import WindowAttention",
        "attention = WindowAttention(8, 2, window=4, shift=2)",
        "assert attention(torch.randn(1, 9, 9, 8)).shape == (1, 9, 9, 8)",
        "attention.backend = 'triton'",
        "try: attention(torch.randn(1, 9, 9, 8))",
        "except swinkit.InputError as error: print(error)",
    )
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    found = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, check=True
    )
    assert "needs Triton, which is not installed here" in found.stdout


def obstacle(
    grid: WindowGrid = SWIN_T,
    *,
    channels: int = 96,
    heads: int = 3,
    dtype: torch.dtype = torch.float32,
    dropout_p: float = 0.0,
) -> str | None:
    with FakeTensorMode():
        x = torch.empty(2, grid.height, grid.width, channels, device="cuda", dtype=dtype)
    return backend_obstacle("triton", x, grid=grid, num_heads=heads, dropout_p=dropout_p)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA device, as far as the choice of a backend can tell."""
    monkeypatch.setattr(fused, "device_obstacle", lambda device: None)
    monkeypatch.setattr(fused, "device_of", lambda device: H100)
    monkeypatch.setattr(fused, "fused_fault", lambda *_: None)


@pytest.mark.usefixtures("device")
def test_each_obstacle_is_told_in_a_sentence() -> None:
    assert obstacle() is None
    assert "no dropout of attention weights" in obstacle(dropout_p=0.1)
    assert "the tokens are float64" in obstacle(dtype=torch.float64)
    assert "up to 64 channels, and these have 96" in obstacle(heads=1)
    assert "up to 256 tokens, and these have 289" in obstacle(WindowGrid(56, 56, (17, 17)))
    assert "too large" in obstacle(WindowGrid(4096, 4096, (7, 7)))
    assert obstacle(WindowGrid(56, 56, (16, 16)), channels=64, heads=1) is None


@pytest.mark.usefixtures("device")
def test_a_device_with_little_shared_memory_refuses_the_largest_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "device_of", lambda device: Device(processors=84, shared_memory=99 * 1024))
    largest = WindowGrid(56, 56, (16, 16))
    assert "more shared memory" in obstacle(largest, channels=64, heads=1)
    assert obstacle(largest, channels=64, heads=1, dtype=torch.bfloat16) is None
    assert obstacle() is None


@pytest.mark.usefixtures("device")
def test_the_default_on_a_cuda_device_is_sdpa_until_the_fused_kernel_is_proven(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeTensorMode():
        x = torch.empty(2, 56, 56, 96, device="cuda")
    assert choose_backend(x, bias=None, grid=SWIN_T, num_heads=3) == "sdpa"
    monkeypatch.setattr(window_attention_module, "PREFERRED_ON_CUDA", dict.fromkeys((64, 256), ("triton", "sdpa")))
    assert choose_backend(x, bias=None, grid=SWIN_T, num_heads=3) == "triton"
    assert choose_backend(x, bias=None, grid=SWIN_T, num_heads=3, dropout_p=0.1) == "sdpa"
    assert choose_backend(x, bias=None, grid=WindowGrid(56, 56, (20, 20)), num_heads=3) == "sdpa"


@pytest.mark.usefixtures("device")
def test_a_kernel_that_fails_its_first_comparison_is_left_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with FakeTensorMode():
        x = torch.empty(2, 56, 56, 96, device="cuda")
    reason = "its values differ from the reference by 3.0e-01 of their norm here"
    monkeypatch.setitem(proof._found, (x.device, x.dtype, (7, 7), 32), reason)
    monkeypatch.setattr(fused, "fused_fault", lambda *_: reason)
    monkeypatch.setattr(window_attention_module, "PREFERRED_ON_CUDA", dict.fromkeys((64,), ("triton", "sdpa")))
    for _ in range(2):
        assert choose_backend(x, bias=None, grid=SWIN_T, num_heads=3) == "sdpa"
    assert [record.getMessage() for record in caplog.records] == [
        f"Attention is computed by another way than 'triton': {reason}."
    ]
    with pytest.raises(InputError, match=r"'triton' cannot run: its values differ"):
        window_attention(x, lambda t: t, bias=None, grid=SWIN_T, num_heads=3, scale=1.0, backend="triton")


def wrong(x: torch.Tensor, project: object, **arguments: object) -> torch.Tensor:
    return 1.01 * reference_attention(x, project, **arguments)


def wrong_gradient(x: torch.Tensor, project: object, **arguments: object) -> torch.Tensor:
    out = reference_attention(x, project, **arguments)
    return out.detach() + 0.9 * (out - out.detach())


def broken(x: torch.Tensor, project: object, **arguments: object) -> torch.Tensor:
    raise RuntimeError("PTX of a newer assembler\nand more")


@pytest.mark.parametrize(
    ("attend", "words"),
    [
        (reference_attention, None),
        (sdpa_attention, None),
        (wrong, "its values differ from the reference by 1.0e-02"),
        (wrong_gradient, "its gradients of tokens differ from the reference by 1.0e-01"),
        (broken, "its kernel cannot be run here (PTX of a newer assembler)"),
    ],
)
def test_the_first_use_is_compared_with_the_reference(
    attend: object, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "_found", {})
    before = torch.random.get_rng_state()
    calls = []

    def counted(*tokens: object, **arguments: object) -> torch.Tensor:
        calls.append(1)
        return attend(*tokens, **arguments)

    for _ in range(2):
        with torch.inference_mode():
            found = proof.fault(counted, torch.device("cpu"), dtype=torch.float32, window=(7, 7), head_dim=32)
        assert found is None if words is None else words in found
    assert len(calls) == 1
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the interpreter runs on a CPU")
def test_a_forced_backend_that_cannot_run_says_why() -> None:
    case = make_case(GRIDS["padded_shifted"], dtype=torch.float32)
    reason = "runs on CUDA devices, and the tokens are on cpu" if HAS_TRITON else "needs Triton"
    with pytest.raises(InputError, match=f"attention backend 'triton' cannot run: it {reason}"):
        case.attend("triton")
    with pytest.raises(InputError, match="cannot run"):
        WindowAttention(8, 2, window=4, backend="triton")(torch.randn(1, 8, 8, 8))


def test_an_exported_program_of_free_sizes_cannot_have_sdpa() -> None:
    model = WindowAttention(8, 2, window=4, shift=2, backend="sdpa").eval()
    free = {1: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC}
    with pytest.raises(Exception, match="sizes are free"):
        torch.export.export(model, (torch.randn(2, 9, 14, 8),), dynamic_shapes=(free,))


MAPS = [*GRIDS.values(), SWIN_T, WindowGrid(96, 97, (12, 12), (6, 6))]
LAUNCHES = [(kernel, grid) for kernel in TILES for grid in MAPS if side(grid.tokens) in TILES[kernel]]


@pytest.mark.parametrize("batch", [1, 128, 4096])
@pytest.mark.parametrize(("kernel", "grid"), LAUNCHES)
def test_programs_share_all_windows(kernel: Kernel, grid: WindowGrid, batch: int) -> None:
    groups = [batch * windows for windows in grid.group_sizes]
    plan = build_plan(kernel, groups=groups, tokens=grid.tokens, heads=3, head_dim=32, item_size=2, device=H100)
    assert plan.chunks == sum(-(-windows // plan.windows_per_program) for windows in groups)
    assert plan.blocks * plan.tile.rows >= grid.tokens
    assert plan.programs < 2**31
    if plan.windows_per_program > 1:
        assert plan.programs <= 2 * PROGRAMS[kernel] * H100.processors + 4 * 3 * plan.blocks


def test_more_windows_than_a_grid_dimension_of_16_bits_counts() -> None:
    """Swin-T at batch 1024 has 65,536 windows in its first stage; programs lie along axis 0, which counts to 2^31."""
    groups = [1024 * windows for windows in SWIN_T.group_sizes]
    assert sum(groups) == 65_536
    least = Device(processors=10**6, shared_memory=H100.shared_memory)  # a program for each window and head
    plan = build_plan("forward", groups=groups, tokens=49, heads=3, head_dim=32, item_size=2, device=least)
    assert plan.windows_per_program == 1
    assert plan.programs == 3 * 65_536


def test_every_window_in_question_fits_an_h100() -> None:
    for tokens in (16, 49, 64, 100, 144, 256):
        for head_dim in (16, 32, 48, 64):
            for item_size in (2, 4):
                assert fits(tokens=tokens, head_dim=head_dim, item_size=item_size, device=H100)


def test_dropout_on_a_cpu_falls_back_by_itself() -> None:
    case = make_case(GRIDS["padded_shifted"])
    out = window_attention(case.x, case.project, bias=case.bias, grid=case.grid, num_heads=2, scale=0.7, dropout_p=0.5)
    assert torch.isfinite(out).all()
