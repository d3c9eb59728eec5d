"""The MLP of a block is the formula, and what others put into it or hang on its layers is really called."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import parametrize, prune

from swinkit.cpu import mlp as pieces
from swinkit.layers.mlp import Mlp
from swinkit.ops.mlp import reference_mlp


@pytest.fixture(autouse=True)
def pieces_always_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LEAST_TO_SPLIT", 0)


def make_mlp(drop_rate: float = 0.0) -> Mlp:
    torch.manual_seed(0)
    return Mlp(6, 24, drop_rate=drop_rate)


@pytest.mark.parametrize("has_gradients", [True, False])
def test_is_the_formula(has_gradients: bool) -> None:
    layer, x = make_mlp(), torch.randn(2, 3, 5, 6)
    with torch.set_grad_enabled(has_gradients):
        expected = reference_mlp(x, layer.fc1.weight, layer.fc1.bias, layer.fc2.weight, layer.fc2.bias)
        assert torch.allclose(layer(x), expected, atol=1e-6)


def test_dropout_is_not_left_out() -> None:
    layer, x = make_mlp(drop_rate=0.5), torch.ones(1000, 6)
    assert 0.4 < (layer(x) == 0).float().mean() < 0.6
    assert not (layer.eval()(x) == 0).any()
    layer.drop.train()  # dropout at test time
    assert (layer(x) == 0).any()


class DoubledLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class DoubledWeight(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


def replace_layer(layer: Mlp) -> None:
    doubled = DoubledLinear(24, 6)
    doubled.load_state_dict(layer.fc2.state_dict())
    layer.fc2 = doubled


def replace_forward(layer: Mlp) -> None:
    forward = layer.fc2.forward
    layer.fc2.forward = lambda x: 2 * forward(x)


def prune_to_double(layer: Mlp) -> None:
    prune.custom_from_mask(layer.fc2, "weight", 2 * torch.ones(6, 24))


DOUBLING: dict[str, Callable[[Mlp], object]] = {
    "replaced": replace_layer,
    "with a forward of its own": replace_forward,
    "forward hook": lambda layer: layer.fc2.register_forward_hook(lambda module, inputs, out: 2 * out),
    "forward pre-hook": lambda layer: layer.fc2.register_forward_pre_hook(lambda module, inputs: (2 * inputs[0],)),
    "hook on the activation": lambda layer: layer.act.register_forward_hook(lambda module, inputs, out: 2 * out),
    "parametrised": lambda layer: parametrize.register_parametrization(layer.fc2, "weight", DoubledWeight()),
    "pruned": prune_to_double,
}


@pytest.mark.parametrize("has_gradients", [True, False])
@pytest.mark.parametrize("change", DOUBLING.values(), ids=DOUBLING)
def test_what_is_put_into_it_is_called(change: Callable[[Mlp], object], has_gradients: bool) -> None:
    layer, x = make_mlp(), torch.randn(31, 6)
    nn.init.zeros_(layer.fc2.bias)
    with torch.set_grad_enabled(has_gradients):
        expected = 2 * layer(x)
        change(layer)
        assert torch.allclose(layer(x), expected, atol=1e-5)


def test_hooks_on_all_modules_see_its_layers() -> None:
    layer, seen = make_mlp(), []
    with register_module_forward_hook(lambda module, inputs, out: seen.append(type(module).__name__)):
        layer(torch.randn(31, 6))
    assert seen == ["Linear", "GELU", "Dropout", "Linear", "Dropout", "Mlp"]


def test_another_gelu() -> None:
    layer, x = make_mlp(), torch.randn(31, 6)
    layer.act = nn.GELU(approximate="tanh")
    expected = layer.fc2(F.gelu(layer.fc1(x), approximate="tanh"))
    assert torch.equal(layer(x), expected)


def test_a_layer_without_a_bias() -> None:
    layer, x = make_mlp(), torch.randn(31, 6)
    layer.fc1 = nn.Linear(6, 24, bias=False)
    assert torch.allclose(layer(x), layer.fc2(F.gelu(x @ layer.fc1.weight.T)), atol=1e-6)
