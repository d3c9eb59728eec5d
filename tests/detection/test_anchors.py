"""Anchors against a loop over cells, and which of them lie in the image."""

import math

import pytest
import torch

from swinkit.detection.anchors import boxes_inside, cells_inside, level_anchors


def naive(height: int, width: int, stride: int, scales: tuple[float, ...], ratios: tuple[float, ...]) -> torch.Tensor:
    rows = []
    for y in range(height):
        for x in range(width):
            for ratio in ratios:
                for scale in scales:
                    w, h = stride * scale / math.sqrt(ratio), stride * scale * math.sqrt(ratio)
                    rows.append([x * stride - w / 2, y * stride - h / 2, x * stride + w / 2, y * stride + h / 2])
    return torch.tensor(rows)


@pytest.mark.parametrize(
    ("shape", "stride", "scales"), [((3, 5), 4, (8.0,)), ((1, 4), 16, (2.0, 4.0)), ((2, 2), 7, (3.0,))]
)
def test_anchors_equal_a_loop_over_cells(shape, stride, scales):
    ratios = (0.5, 1.0, 2.0)
    anchors = level_anchors(*shape, stride, scales, ratios, torch.device("cpu"))
    assert anchors.shape == (shape[0] * shape[1] * len(scales) * 3, 4) and anchors.dtype == torch.float32
    torch.testing.assert_close(anchors, naive(*shape, stride, scales, ratios), atol=1e-4, rtol=1e-6)


def test_a_tall_anchor_has_the_area_of_a_square_one():
    tall, square = level_anchors(1, 1, 4, (8.0,), (2.0, 1.0), torch.device("cpu"))
    assert square.tolist() == [-16, -16, 16, 16]
    width, height = float(tall[2] - tall[0]), float(tall[3] - tall[1])
    assert height == pytest.approx(2 * width) and width * height == pytest.approx(32 * 32)


def test_cells_of_padding_beyond_an_image_s_own_are_left_out():
    """An image's own padding goes up to multiples of 32 pixels; the rest is that of the batch."""
    inside = cells_inside((8, 8), 8, (16, 33), 3, torch.zeros(1)).view(8, 8, 3)
    assert inside.all(2).equal(inside.any(2)) and inside[..., 0].tolist() == [[True] * 8] * 4 + [[False] * 8] * 4
    assert cells_inside((4, 4), 16, (9, 32), 1, torch.zeros(1)).view(4, 4).sum() == 4
    assert cells_inside((2, 3), 64, (33, 70), 1, torch.zeros(1)).view(2, 3).sum() == 2  # half a cell is a cell


def test_a_border_leaves_out_what_reaches_beyond():
    boxes = torch.tensor([[0.0, 0, 10, 10], [-1, 0, 10, 10], [0, 0, 20, 10], [0, 0, 10, 30], [5, 5, 19.9, 29.9]])
    assert boxes_inside(boxes, (30, 20), 0.0).tolist() == [True, False, False, False, True]
    assert boxes_inside(boxes, (30, 20), 2.0).tolist() == [True] * 5
