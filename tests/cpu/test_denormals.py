"""No attention weight is a denormal number on a CPU: products with such numbers take some thirty times as long."""

from typing import Any

import pytest
import torch
from attention_cases import GRIDS, make_case
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from swinkit.ops.window_attention import AttentionBackend, window_attention
from swinkit.ops.windows import WindowGrid

SHIFTED = [name for name, grid in GRIDS.items() if grid.is_shifted and grid.tokens > 1]


def denormal(x: Tensor) -> Tensor:
    return (x != 0) & (x.abs() < torch.finfo(x.dtype).tiny)


def attend(grid: WindowGrid, backend: AttentionBackend, dropout_p: float = 0.0) -> Tensor:
    case = make_case(grid, dtype=torch.float32)
    return window_attention(
        case.x,
        case.project,
        bias=case.bias,
        grid=grid,
        num_heads=case.heads,
        scale=case.scale,
        dropout_p=dropout_p,
        backend=backend,
    )


class Products(TorchDispatchMode):
    """Counts batched products, and those with a factor of which more than a hundredth are denormal numbers: a few come
    about by chance in gradients, the mask makes a third of all."""

    def __init__(self) -> None:
        super().__init__()
        self.count = self.slow = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten.bmm.default:
            self.count += 1
            self.slow += any(denormal(factor).float().mean() > 0.01 for factor in args)
        return func(*args, **(kwargs or {}))


def test_the_mask_makes_them() -> None:
    weights = torch.tensor([0.0, -100.0]).softmax(-1)
    assert denormal(weights).tolist() == [False, True]


@pytest.mark.parametrize("backend", ["cpu", "matmul"])
@pytest.mark.parametrize("name", SHIFTED)
def test_training_keeps_none(name: str, backend: AttentionBackend) -> None:
    grid = GRIDS[name]
    kept: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        kept.append(x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        attend(grid, backend)
    kept = [x for x in kept if x.is_floating_point()]
    assert any(x.shape[-2:] == (grid.tokens, grid.tokens) for x in kept), "the weights are among what is kept"
    assert not any(denormal(x).any() for x in kept)


@pytest.mark.parametrize("dropout_p", [0.0, 0.2])
@pytest.mark.parametrize("name", SHIFTED)
def test_none_is_multiplied_by(name: str, dropout_p: float) -> None:
    torch.manual_seed(0)
    with Products() as products:
        attend(GRIDS[name], "matmul", dropout_p).sum().backward()
    assert products.count == 6, "q k^T, p v, and two products for the gradient of each"
    assert products.slow == 0
