"""Cached index tensors: shared, bounded, and never in the way of inference mode, autograd or fake tensors."""

import pytest
import torch
from attention_cases import BACKENDS, CPU_BACKENDS, make_case
from torch._subclasses.fake_tensor import FakeTensorMode

from swinkit.ops.constants import MOST_BYTES, MOST_ENTRIES, cached_constant, is_plain
from swinkit.ops.window_attention import AttentionBackend
from swinkit.ops.windows import WindowGrid, token_order, window_masks

CPU = torch.device("cpu")


def test_built_once_for_each_size() -> None:
    calls = []

    @cached_constant
    def build(size: int, device: torch.device) -> torch.Tensor:
        calls.append(size)
        return torch.zeros(size, device=device)

    assert build(3, CPU) is build(3, CPU)
    assert build(4, CPU).shape == (4,)
    assert calls == [3, 4]


def test_old_sizes_go() -> None:
    calls = []

    @cached_constant
    def build(size: int, device: torch.device) -> torch.Tensor:
        calls.append(size)
        return torch.zeros(1, device=device)

    for size in [*range(MOST_ENTRIES + 1), 0]:
        build(size, CPU)
    assert calls[-1] == 0


def test_what_is_remembered_is_bounded_in_bytes() -> None:
    calls = []

    @cached_constant
    def build(number: int, device: torch.device) -> torch.Tensor:
        calls.append(number)
        return torch.zeros(MOST_BYTES["cpu"] // 4, dtype=torch.uint8, device=device)

    for number in [0, 1, 2, 3, 3, 0, 4, 0, 1]:
        build(number, CPU)
    assert calls == [0, 1, 2, 3, 4, 1]  # the fifth takes the place of 1, which was used least lately
    del calls[:]

    @cached_constant
    def too_large(number: int, device: torch.device) -> torch.Tensor:
        calls.append(number)
        return torch.zeros(MOST_BYTES["cpu"] + 1, dtype=torch.uint8, device=device)

    for _ in range(2):
        too_large(0, CPU)
    build(0, CPU)
    assert calls == [0, 0]  # not kept, and it drives nothing else out


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_training_works_after_inference_mode_met_the_size_first(backend: AttentionBackend) -> None:
    grid = WindowGrid(9, 23, (4, 4), (2, 2))  # a size that no other test uses
    case = make_case(grid, batch=1)
    with torch.inference_mode():
        first = case.attend(backend).clone()
    out = case.attend(backend)
    assert all(torch.isfinite(gradient).all() for gradient in case.gradients(out))
    assert torch.allclose(out, first, rtol=0, atol=1e-12)  # sdpa may take another kernel where gradients are wanted
    assert not window_masks(grid, case.x).is_inference()
    assert not token_order(grid, case.x).to_windows.is_inference()


@pytest.mark.parametrize("backend", BACKENDS)
def test_fake_tensors_leave_nothing_behind(backend: AttentionBackend) -> None:
    grid = WindowGrid(9, 29, (4, 4), (2, 2))
    with FakeTensorMode():
        fake = make_case(grid, batch=1)
        assert not is_plain(fake.x)
        assert fake.attend(backend).shape == fake.x.shape
        assert [gradient.shape for gradient in fake.gradients(fake.attend(backend))] == [t.shape for t in fake.leaves]
    case = make_case(grid, batch=1)
    assert torch.equal(case.attend(backend), case.attend(backend))
    assert is_plain(token_order(grid, case.x).to_windows)


def test_nothing_fake_is_remembered_where_a_fake_mode_meets_a_real_argument() -> None:
    @cached_constant
    def build(size: int, device: torch.device) -> torch.Tensor:
        return torch.arange(size, device=device)

    with FakeTensorMode(allow_non_fake_inputs=True):
        assert not is_plain(build(3, CPU))
    assert is_plain(build(3, CPU))
    assert build(3, CPU).tolist() == [0, 1, 2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_meta_device_has_constants_of_its_own(backend: AttentionBackend) -> None:
    grid = WindowGrid(9, 31, (4, 4), (2, 2))
    meta = make_case(grid, batch=1, device="meta")
    assert meta.attend(backend).device.type == "meta"
    case = make_case(grid, batch=1)
    assert torch.isfinite(case.attend(backend)).all()
