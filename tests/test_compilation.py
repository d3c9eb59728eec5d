"""swinkit.compile: each kind of block is compiled once, and everything stays as it was."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch._dynamo.utils import counters

from swinkit import SwinClassifier, SwinConfig
from swinkit.compilation import compile_model
from swinkit.cpu.switch import fast_cpu

DEEP = SwinConfig(embed_dim=8, depths=(2, 10), num_heads=(1, 2), window_size=4, image_size=(64, 64), drop_path_rate=0.3)


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


@pytest.fixture
def no_fast_cpu() -> Iterator[None]:
    """As on a device where generated code is the faster one."""
    with fast_cpu(False):
        yield


@pytest.mark.usefixtures("no_fast_cpu")
def test_each_kind_of_block_is_compiled_once() -> None:
    torch.manual_seed(0)
    model = SwinClassifier(DEEP, num_classes=3)
    compile_model(model, backend="eager")
    images = torch.randn(2, 3, 64, 64)
    model(images).sum().backward()
    # The very first block, which drops nothing; unshifted and shifted ones in two stages, and the merging between them.
    # Where a kind meets a second drop rate, it is compiled once more, for all of them. Without sharing: 13.
    assert counters["stats"]["unique_graphs"] <= 7
    model.eval()
    compiled = model(images)
    assert torch.allclose(compiled, copy.deepcopy(model)(images), atol=1e-6)
    assert not any(module._compiled_call_impl for module in copy.deepcopy(model).modules())


def test_float32_on_a_cpu_stays_eager() -> None:
    model = SwinClassifier(DEEP, num_classes=3).eval()
    images = torch.ones(1, 3, 64, 64)
    expected = model(images)
    with torch.no_grad():
        fast = model(images)
        assert torch.equal(compile_model(model, backend="eager")(images), fast)
    assert torch.equal(model(images), expected)
    assert counters["stats"]["unique_graphs"] == 0


@pytest.mark.usefixtures("no_fast_cpu")
def test_new_weights_and_sizes_are_taken() -> None:
    torch.manual_seed(0)
    model = compile_model(SwinClassifier(DEEP, num_classes=3).eval(), backend="eager")
    for size in ((64, 64), (80, 48), (97, 131)):
        images = torch.randn(2, 3, *size)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        assert torch.allclose(model(images), copy.deepcopy(model)(images), atol=1e-5)
