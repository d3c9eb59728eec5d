"""Relative positions: which row of the table a pair of tokens reads, and tables of another window."""

import pytest
import torch
import torch.nn.functional as F

from swinkit.ops.relative_position import (
    build_relative_position_index,
    relative_position_bias,
    resize_relative_position_table,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("window", "table_window"), [((3, 3), (3, 3)), ((2, 4), (2, 4)), ((2, 3), (4, 5)), ((1, 1), (7, 7))]
)
def test_each_pair_reads_the_row_of_its_offset(window: tuple[int, int], table_window: tuple[int, int]) -> None:
    index = build_relative_position_index(window, table_window, CPU)
    tokens = [(y, x) for y in range(window[0]) for x in range(window[1])]
    rows, columns = 2 * table_window[0] - 1, 2 * table_window[1] - 1
    offsets = torch.arange(rows * columns).view(rows, columns)
    for i, (y, x) in enumerate(tokens):
        for j, (other_y, other_x) in enumerate(tokens):
            assert index[i, j] == offsets[y - other_y + table_window[0] - 1, x - other_x + table_window[1] - 1]


def test_bias_of_every_head() -> None:
    table = torch.randn(25, 2, requires_grad=True)
    bias = relative_position_bias(table, (3, 3), (3, 3))
    assert bias.shape == (2, 9, 9)
    assert bias.is_contiguous()
    assert torch.equal(bias[1, 0, 8], table[0, 1])  # two rows up and two columns left
    assert torch.equal(bias[:, 4, 4], table[12])
    bias.sum().backward()
    assert table.grad is not None
    assert torch.equal(
        table.grad[:, 0], build_relative_position_index((3, 3), (3, 3), CPU).flatten().bincount().float()
    )


def test_a_smaller_window_reads_the_same_offsets() -> None:
    table = torch.randn(49, 2)
    large, small = (relative_position_bias(table, window, (4, 4)) for window in ((4, 4), (2, 3)))
    part = [y * 4 + x for y in range(2) for x in range(3)]
    assert torch.equal(small, large[:, part][:, :, part])


@pytest.mark.parametrize("window", [2, 5, 12])
def test_resizing_is_the_published_interpolation(window: int) -> None:
    table = torch.randn(49, 3)
    side = 2 * window - 1
    ours = resize_relative_position_table(table, (side, side))
    grid = table.permute(1, 0).view(1, 3, 7, 7)
    theirs = F.interpolate(grid, size=(side, side), mode="bicubic").view(3, side * side).permute(1, 0)
    assert torch.equal(ours, theirs)


def test_resizing_keeps_dtype_and_leaves_the_same_size_alone() -> None:
    table = torch.randn(49, 3).half()
    assert resize_relative_position_table(table, (7, 7)) is table
    assert resize_relative_position_table(table, (5, 9)).dtype == torch.float16
    assert resize_relative_position_table(table, (5, 9)).shape == (45, 3)


def test_a_table_of_no_square_window_is_refused() -> None:
    with pytest.raises(ValueError, match="not that of a square window"):
        resize_relative_position_table(torch.zeros(15, 3), (7, 7))
