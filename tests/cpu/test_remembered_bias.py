"""Inference gathers the position bias once, and never uses an old one, however its table was changed."""

import copy
import gc
import io
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from swinkit.cpu import remembered_bias
from swinkit.layers.attention import WindowAttention
from swinkit.ops.relative_position import relative_position_bias


def make_layer() -> WindowAttention:
    torch.manual_seed(0)
    layer = WindowAttention(8, 2, window=4, shift=2, geometry="dense").eval()
    torch.nn.init.normal_(layer.relative_position_bias_table)
    return layer


def table_of(layer: WindowAttention) -> Tensor:
    assert layer.relative_position_bias_table is not None
    return layer.relative_position_bias_table


def reference(layer: WindowAttention, x: Tensor) -> Tensor:
    fresh = WindowAttention(8, 2, window=4, shift=2, geometry="dense", backend="reference").to(x.dtype)
    fresh.load_state_dict(layer.state_dict())
    with torch.no_grad():
        return fresh(x)


def step(layer: WindowAttention) -> None:
    optimizer = torch.optim.SGD(layer.parameters(), lr=1e-4)
    layer(torch.ones(1, 8, 8, 8)).square().sum().backward()
    optimizer.step()


CHANGES: dict[str, Callable[[WindowAttention], object]] = {
    "optimizer": step,
    "load_state_dict": lambda layer: layer.load_state_dict({k: v + 1 for k, v in layer.state_dict().items()}),
    "no_grad": lambda layer: table_of(layer).detach().mul_(-1),
    "data, whose version does not count": lambda layer: table_of(layer).data.mul_(-1),
    "other data": lambda layer: setattr(table_of(layer), "data", torch.randn_like(table_of(layer))),
    "other parameter": lambda layer: setattr(
        layer, "relative_position_bias_table", torch.nn.Parameter(torch.randn_like(table_of(layer)))
    ),
    "double": lambda layer: layer.double(),
    "inference mode": lambda layer: in_inference_mode(layer),
}


@torch.inference_mode()
def in_inference_mode(layer: WindowAttention) -> None:
    layer(torch.ones(1, 8, 8, 8))
    table_of(layer).data.mul_(-1)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_table_is_seen(change: Callable[[WindowAttention], object]) -> None:
    layer, x = make_layer(), torch.randn(2, 8, 12, 8)
    with torch.no_grad():
        before = layer(x)
        assert torch.equal(before, layer(x))
    change(layer)
    x = x.to(table_of(layer).dtype)
    with torch.no_grad():
        after = layer(x)
    assert torch.allclose(after, reference(layer, x), atol=1e-6)
    assert not torch.allclose(after.float(), before, atol=1e-3) or after.dtype == torch.float64


def test_gathered_once_while_nothing_changes() -> None:
    layer = make_layer()
    table = table_of(layer)
    with torch.no_grad():
        first = relative_position_bias(table, (4, 4), (4, 4))
        assert relative_position_bias(table, (4, 4), (4, 4)) is first
        assert relative_position_bias(table, (3, 3), (4, 4)).shape == (2, 9, 9)
    assert torch.equal(first, relative_position_bias(table, (4, 4), (4, 4)))


def test_what_inference_mode_remembered_serves_training() -> None:
    layer, x = make_layer(), torch.randn(1, 8, 8, 8, requires_grad=True)
    with torch.inference_mode():
        layer(x)
    for parameter in layer.parameters():
        parameter.requires_grad_(False)
    layer(x).sum().backward()
    assert x.grad is not None


def test_what_is_remembered_goes_with_its_table() -> None:
    layer = make_layer()
    with torch.no_grad():
        layer(torch.randn(1, 8, 8, 8))
    known = remembered_bias._remembered.get(table_of(layer))
    assert known is not None
    bias = weakref.ref(known.bias)
    del known
    del layer
    gc.collect()
    assert bias() is None


def test_copies_and_files_carry_nothing() -> None:
    layer, x = make_layer(), torch.randn(1, 8, 8, 8)
    with torch.no_grad():
        expected = layer(x)
        copied = copy.deepcopy(layer)
        table_of(copied).mul_(-1)
        assert torch.equal(layer(x), expected)
        assert torch.allclose(copied(x), reference(copied, x), atol=1e-6)
    plain, used = io.BytesIO(), io.BytesIO()
    torch.save(make_layer(), plain)
    torch.save(layer, used)
    assert len(plain.getvalue()) == len(used.getvalue())
