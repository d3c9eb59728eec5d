"""What counts as the same detections."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from swinkit.detection.agreement import NOTHING_FOUND, compare_detections

Side = tuple[Tensor, ...]


def side(count: int = 6) -> Side:
    generator = torch.Generator().manual_seed(0)
    corners = 100 * torch.rand(count, 2, generator=generator)
    boxes = torch.cat([corners, corners + 5 + 20 * torch.rand(count, 2, generator=generator)], 1)
    scores = torch.linspace(0.9, 0.1, count)
    masks = torch.rand(count, 28, 28, generator=generator)
    return boxes, scores, torch.arange(count) % 2, masks


def test_order_and_rounding_do_not_matter() -> None:
    boxes, scores, labels, masks = side()
    order = torch.tensor([1, 0, 2, 3, 5, 4])
    found = ((boxes + 0.01)[order], (scores + 1e-5)[order], labels[order], masks[order])
    agreement = compare_detections(found, (boxes, scores, labels, masks))
    assert agreement.is_equal and agreement.pixels == pytest.approx(0.01, abs=1e-4)
    assert "6 boxes" in agreement.text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda b, s, c, m: (b + torch.eye(6)[:, 2:3] * 0.2, s, c, m), "1 of 6 detections that are missing and 1"),
        (lambda b, s, c, m: (b, s + torch.eye(6)[2] * 2e-3, c, m), "1 of 6 detections that are missing"),
        (lambda b, s, c, m: (b, s, 1 - c, m), "6 of 6"),
        (lambda b, s, c, m: (b[1:], s[1:], c[1:], m[1:]), "1 of 6 detections that are missing and 0"),
        (lambda b, s, c, m: (b, s, c, m.flip(1)), "an IoU of 0"),
        (lambda b, s, c, m: (b, s, c), "number of its outputs"),
        (lambda b, s, c, m: (b * torch.nan, s, c, m), "6 of 6"),
    ],
    ids=["box", "score", "class", "missing", "mask", "outputs", "nan"],
)
def test_differences_are_told(change: object, sentence: str) -> None:
    expected = side()
    agreement = compare_detections(change(*expected), expected)  # type: ignore[operator]
    assert not agreement.is_equal and sentence in agreement.text


def test_what_is_at_the_threshold_may_be_missing() -> None:
    boxes, scores, labels, masks = side(40)
    expected = (boxes, scores.clamp(min=scores[-3]), labels, masks)
    assert compare_detections(tuple(each[:-2] for each in expected), expected).is_equal
    assert compare_detections(expected, tuple(each[:-1] for each in expected)).is_equal
    assert not compare_detections(tuple(each[:-3] for each in expected), expected).is_equal
    assert not compare_detections(tuple(each[1:] for each in expected), expected).is_equal


def test_nothing_on_both_sides_is_said() -> None:
    nothing = tuple(each[:0] for each in side())
    assert compare_detections(nothing, nothing).text == NOTHING_FOUND
    assert not compare_detections(nothing, side()).is_equal
    assert not compare_detections(nothing, side(1)).is_equal
