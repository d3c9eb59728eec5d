"""Where windows lie: counts, padding, token order and masks."""

import pytest
import torch
from attention_cases import GRIDS

from swinkit.ops.window_attention.reference import partition, reverse, shift_mask
from swinkit.ops.windows import (
    MASK_VALUE,
    WindowGrid,
    build_group_masks,
    build_token_order,
    build_window_masks,
    pad_tokens,
    to_image,
    to_windows,
    token_order,
)

CPU = torch.device("cpu")
grids = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
shifted = pytest.mark.parametrize(
    "grid", [grid for grid in GRIDS.values() if grid.is_shifted], ids=[n for n, g in GRIDS.items() if g.is_shifted]
)


def numbered(grid: WindowGrid, batch: int) -> torch.Tensor:
    """Maps whose every token holds another number, from 1."""
    return torch.arange(1.0, batch * grid.height * grid.width * 2 + 1).view(batch, grid.height, grid.width, 2)


def rolled_windows(grid: WindowGrid, x: torch.Tensor) -> torch.Tensor:
    """(N, B, T, C) by padding, rolling and cutting."""
    padded = torch.roll(pad_tokens(x, *grid.padded), (-grid.shift[0], -grid.shift[1]), (1, 2))
    return partition(padded, grid.window).unflatten(0, (x.shape[0], -1)).transpose(0, 1)


def test_sizes_of_a_padded_map() -> None:
    grid = WindowGrid(13, 9, (7, 4), (3, 2))
    assert (grid.tokens, grid.counts, grid.padded, grid.group_sizes) == (28, (2, 3), (14, 12), (2, 1, 2, 1))
    assert WindowGrid(13, 9, (7, 4)).group_sizes == (6, 0, 0, 0)


@grids
@pytest.mark.parametrize("batch", [1, 3])
def test_gathering_is_padding_rolling_and_cutting(grid: WindowGrid, batch: int) -> None:
    x = numbered(grid, batch)
    order = build_token_order(grid, batch, False, CPU)
    assert torch.equal(to_windows(x, grid, order), rolled_windows(grid, x))


@grids
@pytest.mark.parametrize("by_mask", [False, True])
def test_back_to_the_image_gives_the_image(grid: WindowGrid, by_mask: bool) -> None:
    x = numbered(grid, 3)
    order = token_order(grid, x, by_mask=by_mask)
    windows = to_windows(x, grid, order).reshape(-1, 2)
    assert torch.equal(to_image(windows, grid, order, batch=3), x)
    positions = torch.arange(order.to_windows.numel())
    assert torch.equal(order.to_windows[order.to_image], positions)


@grids
def test_reverse_undoes_partition(grid: WindowGrid) -> None:
    x = pad_tokens(numbered(grid, 2), *grid.padded)
    assert torch.equal(reverse(partition(x, grid.window), grid.window, *grid.padded), x)


@shifted
def test_masks_are_those_of_the_published_rule(grid: WindowGrid) -> None:
    published = shift_mask(grid, CPU)
    assert set(published.unique().tolist()) <= {0.0, MASK_VALUE}
    assert torch.equal(build_window_masks(grid, CPU).squeeze(1), published)


@shifted
def test_windows_sorted_by_mask_share_the_mask_of_their_group(grid: WindowGrid) -> None:
    masks = shift_mask(grid, CPU)
    rows, columns = grid.counts
    right = torch.arange(rows * columns) % columns == columns - 1
    bottom = torch.arange(rows * columns) // columns == rows - 1
    kind = right * 1 + bottom * 2
    assert grid.group_sizes == tuple((kind == number).sum() for number in range(4))
    assert all(torch.equal(mask, build_group_masks(grid, CPU)[k]) for mask, k in zip(masks, kind, strict=True))
    x = numbered(grid, 2)
    by_rows, by_mask = (to_windows(x, grid, token_order(grid, x, by_mask=flag)) for flag in (False, True))
    assert torch.equal(by_mask, by_rows[kind.argsort(stable=True)])


def test_padding_that_is_not_needed_copies_nothing() -> None:
    x = torch.randn(1, 4, 6, 2)
    assert pad_tokens(x, 4, 6) is x
    padded = pad_tokens(x, 5, 8)
    assert torch.equal(padded[:, :4, :6], x)
    assert padded.count_nonzero() == x.count_nonzero()
