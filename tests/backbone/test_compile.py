"""torch.compile: one graph without breaks, forward and backward, and one for all sizes where sizes are free.

The backends used here trace without generating code; what is under test is the tracing.
"""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from swinkit import SwinClassifier, SwinConfig, SwinTransformer

SMALL = SwinConfig(embed_dim=8, depths=(2, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
Model = SwinClassifier | SwinTransformer


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def loss_of(model: torch.nn.Module, images: Tensor) -> Tensor:
    out = model(images)
    maps = [out] if isinstance(out, Tensor) else out
    return torch.stack([x.square().mean() for x in maps]).sum()


def gradients(model: torch.nn.Module, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters())))


@pytest.mark.parametrize("kind", [SwinClassifier, SwinTransformer])
@pytest.mark.parametrize("backend", ["matmul", pytest.param("sdpa", marks=pytest.mark.slow)])
def test_one_graph_forward_and_backward(kind: type[Model], backend: str) -> None:
    torch.manual_seed(0)
    model = kind(SMALL, attention_backend=backend)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    images = torch.randn(2, 3, 37, 50)
    ours, theirs = loss_of(compiled, images), loss_of(model, images)
    assert torch.allclose(ours, theirs, rtol=1e-5)
    for a, b in zip(gradients(model, ours), gradients(model, theirs), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)
    assert counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("kind", [pytest.param(SwinClassifier, marks=pytest.mark.slow), SwinTransformer])
def test_free_sizes_share_one_graph(kind: type[Model]) -> None:
    model = kind(SMALL)
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=True)
    # Padded or not, in either stage and direction; all maps larger than the window, which classification tells apart.
    for shape in ((2, 3, 37, 50), (2, 3, 64, 64), (3, 3, 64, 97), (5, 3, 131, 40)):
        images = torch.randn(shape)
        assert torch.allclose(loss_of(compiled, images), loss_of(model, images), rtol=1e-5)
    assert counters["stats"]["unique_graphs"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SwinClassifier, SwinTransformer])
def test_changing_sizes_need_few_graphs(kind: type[Model]) -> None:
    model = kind(SMALL)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    sizes = [(64, 64), (61, 90), (128, 40), (97, 131), (33, 77), (64, 68), (100, 84), (40, 40), (36, 48), (200, 150)]
    for size in sizes:
        images = torch.randn(2, 3, *size)
        assert torch.allclose(loss_of(compiled, images), loss_of(model, images), rtol=1e-5)
    assert counters["stats"]["unique_graphs"] <= 3  # fixed size, free sizes, and maps no larger than the window


@pytest.mark.slow
def test_generated_code_gives_the_same_result() -> None:
    torch.manual_seed(0)
    model = SwinClassifier(SMALL, num_classes=5).eval()
    images = torch.randn(2, 3, 37, 50)
    try:
        compiled = torch.compile(model, fullgraph=True)(images)
    except torch._dynamo.exc.BackendCompilerFailed as error:
        pytest.skip(f"this machine cannot generate code: {error}"[:200])
    assert torch.allclose(compiled, model(images), atol=1e-5)
