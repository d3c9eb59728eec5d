"""The attention module: which windows a map gets in either geometry, and its options."""

import pytest
import torch

from swinkit.errors import InputError
from swinkit.layers.attention import WindowAttention
from swinkit.layers.patch import Geometry
from swinkit.ops.windows import WindowGrid


@pytest.mark.parametrize(
    ("size", "window", "shift"),
    [
        ((8, 8), 7, 3),
        ((14, 8), 7, 3),
        ((7, 7), 7, 0),  # the last stage at 224
        ((7, 30), 7, 0),
        ((30, 6), 6, 0),
        ((1, 9), 1, 0),
    ],
)
def test_classification_shrinks_the_window_to_the_map_and_drops_the_shift(
    size: tuple[int, int], window: int, shift: int
) -> None:
    attention = WindowAttention(4, 2, window=7, shift=3)
    assert attention.grid(*size) == WindowGrid(*size, (window, window), (shift, shift))


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (1, 9), (3, 3)])
def test_dense_keeps_window_and_shift_on_every_map(size: tuple[int, int]) -> None:
    attention = WindowAttention(4, 2, window=7, shift=3, geometry="dense")
    assert attention.grid(*size) == WindowGrid(*size, (7, 7), (3, 3))


@pytest.mark.parametrize("geometry", ["classification", "dense"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 7), (8, 20), (1, 30)])
def test_image_order_in_and_out(geometry: Geometry, size: tuple[int, int]) -> None:
    attention = WindowAttention(4, 2, window=7, shift=3, geometry=geometry)
    x = torch.randn(2, *size, 4)
    out = attention(x)
    assert out.shape == x.shape
    assert out.is_contiguous()


def test_a_window_of_its_own_size_sees_all_of_its_tokens_and_no_other() -> None:
    attention = WindowAttention(4, 2, window=4)
    x = torch.randn(1, 8, 8, 4, requires_grad=True)
    attention(x)[0, 5, 1].sum().backward()
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[4:, :4] = True
    assert torch.equal(x.grad[0].abs().sum(-1) > 0, expected)


def test_options_change_the_parameters() -> None:
    full = dict(WindowAttention(6, 3, window=4).named_parameters())
    assert {name: tuple(p.shape) for name, p in full.items()} == {
        "relative_position_bias_table": (49, 3),
        "qkv.weight": (18, 6),
        "qkv.bias": (18,),
        "proj.weight": (6, 6),
        "proj.bias": (6,),
    }
    bare = dict(WindowAttention(6, 3, window=4, relative_bias=False, qkv_bias=False).named_parameters())
    assert set(full) - set(bare) == {"relative_position_bias_table", "qkv.bias"}


def test_without_position_bias_equals_a_bias_of_zero() -> None:
    plain = WindowAttention(6, 3, window=4, shift=2, relative_bias=False)
    biased = WindowAttention(6, 3, window=4, shift=2)
    biased.load_state_dict(plain.state_dict(), strict=False)  # its table starts at zero
    x = torch.randn(2, 9, 10, 6)
    assert torch.allclose(plain(x), biased(x), atol=1e-6)


def test_scale() -> None:
    given, default = WindowAttention(8, 2, window=4, qk_scale=0.5), WindowAttention(8, 2, window=4)
    other = WindowAttention(8, 2, window=4, qk_scale=0.1)
    for module in (given, other):
        module.load_state_dict(default.state_dict())
    x = torch.randn(1, 4, 4, 8)
    assert torch.equal(given(x), default(x))  # 4 ** -0.5
    assert not torch.allclose(other(x), default(x))


def test_dropout_acts_in_training_only() -> None:
    attention = WindowAttention(8, 2, window=4, attn_drop_rate=0.5)
    x = torch.randn(1, 4, 4, 8)
    assert not torch.equal(attention.train()(x), attention.train()(x))
    assert torch.equal(attention.eval()(x), attention.eval()(x))


@pytest.mark.parametrize("has_gradients", [True, False])
@pytest.mark.parametrize("name", ["qkv", "proj"])
def test_hooks_on_its_layers_are_called(name: str, has_gradients: bool) -> None:
    attention, x = WindowAttention(8, 2, window=4, shift=2), torch.randn(1, 9, 9, 8)
    attention.get_submodule(name).register_forward_hook(lambda module, inputs, out: torch.zeros_like(out))
    with torch.set_grad_enabled(has_gradients):
        out = attention(x)
    assert torch.equal(out, attention.proj.bias.expand_as(x) if name == "qkv" else torch.zeros_like(x))


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(InputError, match="no attention backend 'flash'"):
        WindowAttention(4, 2, window=7, backend="flash")
