"""A block: two residual branches in the paper's order, each behind its norm."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swinkit.cpu import linear
from swinkit.cpu.switch import fast_cpu
from swinkit.layers import block as module
from swinkit.layers.attention import WindowAttention
from swinkit.layers.block import SwinBlock
from swinkit.layers.mlp import Mlp
from swinkit.ops.block import add_branches


class Doubling(nn.Module):
    """Stands in for attention."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_two_residual_branches() -> None:
    block = SwinBlock(6, Doubling()).eval()
    x = torch.randn(2, 3, 4, 6)
    middle = x + 2 * F.layer_norm(x, (6,))
    hidden = F.gelu(block.mlp.fc1(F.layer_norm(middle, (6,))))  # the exact GELU
    assert torch.allclose(block(x), middle + block.mlp.fc2(hidden), atol=1e-6)


def test_width_of_the_mlp() -> None:
    assert SwinBlock(6, Doubling()).mlp.fc1.out_features == 24
    assert SwinBlock(6, Doubling(), mlp_ratio=2.5).mlp.fc1.out_features == 15


def test_both_branches_are_dropped_independently() -> None:
    torch.manual_seed(0)
    block = SwinBlock(6, Doubling(), drop_path_rate=0.5).train()
    x = torch.randn(1, 1, 1, 6).expand(400, 1, 1, 6)
    outcomes = torch.unique(block(x), dim=0)
    assert len(outcomes) == 4  # none, either, both
    assert any(torch.equal(outcome, x[0]) for outcome in outcomes)


def test_dropout_of_the_mlp_acts_in_training_only() -> None:
    torch.manual_seed(0)
    mlp = Mlp(6, 24, drop_rate=0.5)
    x = torch.randn(10, 6)
    assert (mlp.train()(x) == 0).any()
    assert torch.equal(mlp.eval()(x), mlp.eval()(x))


def make_block(**rates: float) -> SwinBlock:
    """Shifted windows, and weights large enough for all of them to matter."""
    torch.manual_seed(0)
    block = SwinBlock(12, WindowAttention(12, 2, window=4, shift=2), **rates)
    for parameter in block.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.3)
    return block.eval()


@torch.no_grad()
def by_the_formula(block: SwinBlock, x: Tensor) -> Tensor:
    with fast_cpu(False):
        return block(x)


@torch.no_grad()
@pytest.mark.parametrize("size", [(2, 8, 8), (1, 9, 14), (1, 3, 3), (0, 8, 8)])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.02), (torch.float16, 2e-3)],
)
def test_without_gradients_it_is_the_formula(
    size: tuple[int, int, int], dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "PIECE", 5 * 48)  # five rows
    runs: list[Tensor] = []
    monkeypatch.setattr(module, "add_branches", lambda x, *rest: runs.append(x) or add_branches(x, *rest))
    block, x = make_block().to(dtype), torch.randn(size[0], 12, *size[1:]).to(dtype).permute(0, 2, 3, 1)
    before = x.clone()
    ours, theirs = block(x), by_the_formula(block, x)
    assert len(runs) == (size[0] > 0 and dtype != torch.float64)
    assert ours.dtype == dtype and ours.shape == x.shape
    assert (ours - theirs).norm() <= tolerance * theirs.norm()
    assert torch.equal(x, before), "the caller's tensor is not written to"


@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    [
        "norm1",
        "attn",
        "attn.qkv",
        "attn.proj",
        "attn.proj_drop",
        "drop_path",
        "norm2",
        "mlp",
        "mlp.fc1",
        "mlp.act",
        "mlp.fc2",
        "mlp.drop",
    ],
)
@pytest.mark.parametrize("change", ["hook", "other layer", "other forward"])
def test_no_layer_is_left_out_that_does_more_than_its_weights_say(name: str, change: str) -> None:
    block, x = make_block(), torch.randn(1, 8, 8, 12)
    plain, layer = block(x), block.get_submodule(name)
    call = type(layer).forward
    if change == "hook":
        layer.register_forward_hook(lambda module, inputs, output: -output)
    elif change == "other forward":
        layer.forward = lambda x: -call(layer, x)  # type: ignore[method-assign]
    else:
        layer.__class__ = type("Negative", (type(layer),), {"forward": lambda self, x: -call(self, x)})
    found, expected = block(x), by_the_formula(block, x)
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, plain, atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("name", ["norm1", "norm2"])
@pytest.mark.parametrize("shape", [(12,), (8, 8, 12)])
def test_norms_without_weights_or_over_more_than_the_channels(name: str, shape: tuple[int, ...]) -> None:
    block, x = make_block(), torch.randn(1, 8, 8, 12)
    setattr(block, name, nn.LayerNorm(shape, elementwise_affine=len(shape) > 1))
    assert torch.allclose(block(x), by_the_formula(block, x), atol=1e-5)


@pytest.mark.parametrize("has_gradients", [True, False])
@pytest.mark.parametrize("name", ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"])
def test_weights_that_are_plain_attributes(name: str, has_gradients: bool) -> None:
    """As FSDP and the replicas of DataParallel have them."""
    block, x = make_block(), torch.randn(1, 8, 8, 12)
    expected, layer = by_the_formula(block, x), block.get_submodule(name)
    for key in ("weight", "bias"):
        tensor = getattr(layer, key).detach()
        delattr(layer, key)
        setattr(layer, key, tensor)
    with torch.set_grad_enabled(has_gradients):
        assert torch.allclose(block(x), expected, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ["norm1", "drop_path", "norm2", "attn.proj_drop", "mlp.act", "mlp.drop"])
def test_functions_in_the_place_of_layers_are_called(name: str) -> None:
    block, x = make_block(), torch.randn(1, 8, 8, 12)
    owner, _, last = name.rpartition(".")
    parent = block.get_submodule(owner)
    delattr(parent, last)
    setattr(parent, last, lambda x: 2 * x)
    assert torch.allclose(block(x), by_the_formula(block, x), atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("rates", [{"drop_path_rate": 0.5}, {"drop_rate": 0.5}])
def test_what_is_dropped_in_training_is_dropped_without_gradients_too(rates: dict[str, float]) -> None:
    block, x = make_block(**rates), torch.randn(8, 8, 8, 12)
    assert torch.equal(block(x), block(x))
    assert not torch.equal(block.train()(x), block(x))
    block = make_block()
    block.attn.proj_drop = nn.Dropout(0.5)  # in training mode, as whoever samples at test time has it
    assert not torch.equal(block(x), block(x))
