"""What detectors compute otherwise where sizes are not known, and what they read for it, equals what it was."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from swinkit.detection.anchors import cell_corners
from swinkit.detection.corner_pool import pooled_max, running_max
from swinkit.detection.nms import nms_apart, nms_within
from swinkit.detection.roi_align import places_by_level


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (5, 64), (100, 3), (37, 41), (2, 1024)])
def test_a_running_maximum_by_pooling(dim: int, backwards: bool, size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    assert torch.equal(pooled_max(x, dim, backwards=backwards), running_max(x, dim, backwards=backwards))


def test_regions_find_their_place_behind_those_of_finer_levels() -> None:
    levels = torch.tensor([2, 0, 0, 3, 2, 0])
    sorted_once = torch.cat([torch.nonzero(levels == level)[:, 0] for level in range(5)])
    assert torch.equal(sorted_once[places_by_level(levels, 5)], torch.arange(6))
    assert places_by_level(levels[:0], 4).shape == (0,)


def test_cells_are_counted_row_by_row() -> None:
    assert cell_corners(2, 3, 4, torch.device("cpu")).tolist() == [[0, 0], [4, 0], [8, 0], [0, 4], [4, 4], [8, 4]]


def test_nms_of_boxes_moved_apart() -> None:
    torch.manual_seed(0)
    corners = 1000 * torch.rand(500, 2)
    boxes = torch.cat([corners, corners + 20 + 60 * torch.rand(500, 2)], 1).repeat(2, 1)
    scores, groups = torch.rand(1000), torch.randint(0, 80, (1000,))
    assert torch.equal(nms_apart(boxes, scores, groups, 0.5), nms_within(boxes, scores, groups, 0.5))
    assert len(nms_apart(boxes[:0], scores[:0], groups[:0], 0.5)) == 0


def test_the_likeliest_of_four_places_is_what_max_pooling_says() -> None:
    """RepPoints v2 asks for the first of the largest among four neighbours."""
    torch.manual_seed(0)
    heat = torch.randint(0, 4, (2, 9, 7)).float()  # with many equal ones
    expected = F.max_pool2d(heat[None], 2, stride=1, return_indices=True)[1][0]
    four = [heat[:, :-1, :-1], heat[:, :-1, 1:], heat[:, 1:, :-1], heat[:, 1:, 1:]]
    peak = torch.stack(four).argmax(0)
    y, x = torch.meshgrid(torch.arange(8), torch.arange(6), indexing="ij")
    assert torch.equal((y + peak // 2) * 7 + x + peak % 2, expected)
