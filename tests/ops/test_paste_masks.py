"""Masks land in their boxes as mmdetection's paste does it, whatever the box."""

import pytest
import torch
from torch import Tensor

from swinkit.errors import InputError
from swinkit.ops.masks import paste_masks


def by_definition(mask: Tensor, box: Tensor, size: tuple[int, int]) -> Tensor:
    """Each pixel on its own: where its centre lies in the mask, bilinear between cell centres, zero outside."""
    side = len(mask)
    padded = torch.zeros(side + 2, side + 2, dtype=torch.float64)
    padded[1:-1, 1:-1] = mask
    left, top, right, bottom = box.double().tolist()
    pasted = torch.zeros(size, dtype=torch.bool)
    for row in range(size[0]):
        for column in range(size[1]):
            y = (row + 0.5 - top) / (bottom - top) * side + 0.5
            x = (column + 0.5 - left) / (right - left) * side + 0.5
            i, j = int(y // 1), int(x // 1)
            if 0 <= i <= side and 0 <= j <= side:
                a, b = y - i, x - j
                cells = padded[i : i + 2, j : j + 2]
                value = (1 - a) * ((1 - b) * cells[0, 0] + b * cells[0, 1]) + a * (
                    (1 - b) * cells[1, 0] + b * cells[1, 1]
                )
                pasted[row, column] = bool(value >= 0.5)
    return pasted


BOXES = [
    [3.0, 4.0, 21.0, 17.0],
    [3.3, 4.7, 21.2, 16.9],
    [-6.5, -3.25, 12.1, 9.4],
    [20.2, 14.6, 40.7, 33.3],
    [-10.0, -10.0, 50.0, 50.0],
    [7.2, 8.3, 7.9, 9.1],
    [0.0, 0.0, 30.0, 25.0],
]


@pytest.mark.parametrize("box", BOXES)
def test_equals_the_definition(box):
    mask = torch.rand(5, 5, generator=torch.Generator().manual_seed(1))
    (pasted,) = paste_masks(mask[None], torch.tensor([box]), (25, 30))
    assert pasted.dtype == torch.bool
    assert torch.equal(pasted, by_definition(mask, torch.tensor(box), (25, 30)))


def test_a_full_mask_fills_its_box_and_nothing_else():
    (pasted,) = paste_masks(torch.ones(1, 28, 28), torch.tensor([[3.0, 4.0, 21.0, 17.0]]), (25, 30))
    expected = torch.zeros(25, 30, dtype=torch.bool)
    expected[4:17, 3:21] = True
    assert torch.equal(pasted, expected)


def test_boxes_without_area_or_outside_give_nothing():
    boxes = torch.tensor([[5.0, 5, 5, 9], [9, 9, 5, 5], [40, 5, 50, 9], [-9, -9, -3, -3], [float("nan")] * 4])
    pasted = list(paste_masks(torch.ones(5, 28, 28), boxes, (25, 30)))
    assert len(pasted) == 5 and not torch.stack(pasted).any()


def test_masks_come_one_at_a_time():
    pasted = paste_masks(torch.ones(2, 4, 4, dtype=torch.float16), torch.tensor([[0.0, 0, 5, 5]] * 2), (10, 12))
    assert next(pasted).shape == (10, 12) and next(pasted).sum() == 25
    assert list(paste_masks(torch.ones(0, 4, 4), torch.zeros(0, 4), (10, 12))) == []


def test_masks_of_the_image_stay_as_they_are() -> None:
    masks = torch.rand(2, 5, 7) > 0.5
    assert torch.equal(torch.stack(list(paste_masks(masks, torch.zeros(2, 4), (5, 7)))), masks)
    with pytest.raises(InputError, match=r"masks of \(5, 7\) pixels are not of an image of \(10, 14\)"):
        list(paste_masks(masks, torch.zeros(2, 4), (10, 14)))
