"""The box coder: there and back, its limits, and clipping."""

import math

import pytest
import torch

from swinkit.ops.boxes import MAX_LOG_RATIO, clip_boxes, decode_boxes, encode_boxes

STDS = (0.1, 0.1, 0.2, 0.2)


def boxes(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner, side = torch.rand(count, 2, generator=generator) * 500, 4 + torch.rand(count, 2, generator=generator) * 200
    return torch.cat([corner, corner + side], 1)


@pytest.mark.parametrize("stds", [(1.0, 1.0, 1.0, 1.0), STDS, (0.033, 0.033, 0.067, 0.067)])
def test_there_and_back(stds):
    references, targets = boxes(300, 0), boxes(300, 1)
    near = targets / 100 + references  # sides within a factor of 3, which the limit leaves alone
    torch.testing.assert_close(decode_boxes(references, encode_boxes(references, near, stds), stds), near)
    assert encode_boxes(references, references, stds).abs().max() == 0


def test_encoding_by_hand():
    """Centre (20, 30) of a 20 x 40 box moves to (25, 20), sides become 40 and 20."""
    deltas = encode_boxes(torch.tensor([10.0, 10, 30, 50]), torch.tensor([5.0, 10, 45, 30]), STDS)
    expected = [5 / 20 / 0.1, -10 / 40 / 0.1, math.log(2) / 0.2, math.log(0.5) / 0.2]
    torch.testing.assert_close(deltas, torch.tensor(expected))


def test_sides_change_at_most_by_the_published_factor():
    reference = torch.tensor([[10.0, 10, 26, 26]])
    wide = decode_boxes(reference, torch.tensor([[0.0, 0, 100, -100]]), STDS)[0]
    assert float(wide[2] - wide[0]) == pytest.approx(16 * 1000 / 16) and math.exp(MAX_LOG_RATIO) == pytest.approx(62.5)
    assert float(wide[3] - wide[1]) == pytest.approx(16 * 16 / 1000, rel=1e-4)


def test_boxes_are_cut_at_the_image():
    outside = torch.tensor([[-5.0, -3, 12, 40], [100, 100, 120, 130], [2, 3, 4, 5]])
    assert clip_boxes(outside, (30, 20)).tolist() == [[0, 0, 12, 30], [20, 30, 20, 30], [2, 3, 4, 5]]
    zero = torch.zeros(3, 4)
    assert torch.equal(decode_boxes(outside, zero, STDS, (30, 20)), clip_boxes(outside, (30, 20)))


def test_half_precision_is_decoded_in_full():
    references = boxes(20, 0)
    deltas = torch.randn(20, 4).bfloat16()
    assert torch.equal(decode_boxes(references, deltas, STDS), decode_boxes(references, deltas.float(), STDS))


def test_no_boxes():
    none = torch.zeros(0, 4)
    assert encode_boxes(none, none, STDS).shape == decode_boxes(none, none, STDS, (5, 5)).shape == (0, 4)
