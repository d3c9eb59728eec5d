"""The shift by padding gives what the cyclic one gives (table 5), on awkward maps, in values and gradients."""

import pytest
import torch
from attention_cases import GRIDS, make_case, pairwise_attention
from torch import Tensor

from swinkit.layers.attention import WindowAttention
from swinkit.layers.padded_shift import PaddedShiftAttention
from swinkit.ops.window_attention.padded_shift import added_keys, padded_shift_attention
from swinkit.ops.windows import WindowGrid

SHIFTED = {
    **{name: grid for name, grid in GRIDS.items() if grid.is_shifted},
    "wide": WindowGrid(5, 29, (7, 7), (3, 3)),
    "even_windows": WindowGrid(17, 15, (8, 8), (4, 4)),
    "nearly_whole": WindowGrid(13, 20, (7, 7), (3, 3)),
    "two_by_two": WindowGrid(4, 4, (2, 2), (1, 1)),
}


def largest_error(ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> float:
    pairs = zip(ours, theirs, strict=True)
    return max(((a - b).abs().max() / b.abs().max().clamp_min(1e-3)).item() for a, b in pairs)


def test_there_are_twelve_awkward_maps() -> None:
    assert len(SHIFTED) >= 12


@pytest.mark.parametrize("has_biases", [True, False])
@pytest.mark.parametrize("grid", SHIFTED.values(), ids=SHIFTED)
def test_equals_the_definition_and_the_cyclic_shift(grid: WindowGrid, has_biases: bool) -> None:
    case = make_case(grid, has_biases=has_biases)
    out = padded_shift_attention(
        case.x, case.project, bias=case.bias, grid=grid, num_heads=case.heads, scale=case.scale
    )
    ours = (out.detach(), *case.gradients(out))
    for expected in (pairwise_attention(case), case.attend("reference")):
        assert largest_error(ours, (expected.detach(), *case.gradients(expected))) < 1e-12


@pytest.mark.parametrize(("side", "windows"), [(56, 81), (28, 25), (14, 9), (7, 4)])
def test_windows_of_an_image_of_224(side: int, windows: int) -> None:
    """Section 4.4: the cyclic shift keeps 64, 16, 4 and 1."""
    grid = WindowGrid(side, side, (7, 7), (3, 3))
    assert added_keys(grid, torch.device("cpu")).shape == (windows, 49)
    assert grid.counts[0] * grid.counts[1] == (side // 7) ** 2


def test_a_module_with_the_same_weights_gives_the_same_in_float32() -> None:
    cyclic = WindowAttention(32, 2, window=7, shift=3, geometry="dense")
    padded = PaddedShiftAttention(32, 2, window=7, shift=3, geometry="dense")
    torch.nn.init.normal_(cyclic.relative_position_bias_table)
    padded.load_state_dict(cyclic.state_dict())
    x = torch.randn(2, 16, 23, 32)
    assert largest_error((padded(x),), (cyclic(x),)) < 1e-6
    unshifted = PaddedShiftAttention(32, 2, window=7)
    unshifted.load_state_dict(cyclic.state_dict())
    assert not torch.allclose(unshifted(x), cyclic(x), atol=1e-3)
