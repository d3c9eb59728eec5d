"""How ops choose between their formula and the way for CPUs, and what they say where that cannot run."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from attention_cases import GRIDS, make_case
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from swinkit.cpu.attention import attention_obstacle
from swinkit.cpu.linear import linear_obstacle
from swinkit.cpu.mlp import mlp_obstacle
from swinkit.cpu.remembered_bias import bias_obstacle
from swinkit.cpu.switch import fast_cpu
from swinkit.errors import InputError
from swinkit.ops.linear import linear
from swinkit.ops.mlp import mlp

OBSTACLES: dict[str, Callable[[Tensor], str | None]] = {
    "attention": lambda x: attention_obstacle(x, 0.0),
    "linear": lambda x: linear_obstacle(x, torch.ones(4, 4)),
    "mlp": lambda x: mlp_obstacle(x, torch.ones(8, 4), torch.ones(8), torch.ones(4, 8), torch.ones(4)),
    "bias": bias_obstacle,
}


def expect(obstacle: Callable[[Tensor], str | None], reason: str, x: Tensor) -> Tensor:
    found = obstacle(x)
    assert found is not None and reason in found
    return x + 1


@torch.no_grad()
@pytest.mark.parametrize("obstacle", OBSTACLES.values(), ids=OBSTACLES)
def test_every_reason(obstacle: Callable[[Tensor], str | None]) -> None:
    x = torch.ones(2, 4)
    assert obstacle(x) is None
    expect(obstacle, "on meta", x.to("meta"))
    expect(obstacle, "int64", x.long())
    with FakeTensorMode() as mode:
        expect(obstacle, "FakeTensor", mode.from_tensor(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expect(obstacle, "autocast", x)
    with FlopCounterMode(display=False):
        expect(obstacle, "dispatch mode", x)
    with fast_cpu(False):
        expect(obstacle, "switched off", x)
    torch.func.vmap(lambda row: expect(obstacle, "torch.func", row))(x)
    torch.jit.trace(lambda each: expect(obstacle, "torch.jit.trace", each), x, check_trace=False)
    torch.compile(lambda each: expect(obstacle, "torch.compile", each), backend="eager", fullgraph=True)(x)


def test_what_has_no_gradient_says_so() -> None:
    x = torch.ones(2, 4)
    for name in ("linear", "bias"):
        expect(OBSTACLES[name], "gradient", x)
    assert OBSTACLES["mlp"](x) is None and OBSTACLES["attention"](x) is None
    assert "dropout" in str(attention_obstacle(x, 0.1))


def test_cpu_that_is_asked_for_and_cannot_run_is_refused() -> None:
    x, w, b = torch.ones(2, 4, dtype=torch.bfloat16), torch.ones(4, 4, dtype=torch.bfloat16), torch.ones(4)
    with pytest.raises(InputError, match=r"backend 'cpu' of linear cannot run: it has no gradient"):
        linear(x, w, None, backend="cpu")
    with pytest.raises(InputError, match=r"backend 'cpu' of mlp cannot run: it has no gradient for bfloat16"):
        mlp(x, w, b, w, b, backend="cpu")
    with pytest.raises(InputError, match=r"attention backend 'cpu' cannot run: it has no gradient for float16"):
        make_case(GRIDS["padded_shifted"], dtype=torch.float16).attend("cpu")


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(InputError, match="no backend 'fast' of linear"):
        linear(torch.ones(2, 4), torch.ones(4, 4), None, backend="fast")


@torch.no_grad()
def test_linear_equals_the_formula() -> None:
    x, weight, bias = torch.randn(3, 5, 6), torch.randn(4, 6), torch.randn(4)
    for each in (bias, None):
        for backend in ("auto", "reference", "cpu"):
            assert torch.allclose(linear(x, weight, each, backend=backend), F.linear(x, weight, each), atol=1e-5)
    assert linear(x[:0], weight, bias).shape == (0, 5, 4)
