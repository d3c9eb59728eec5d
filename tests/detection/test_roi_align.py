"""Regions: the level they are read off, what is read, and that every level stays in the graph."""

import pytest
import torch
from torchvision.ops import roi_align

from swinkit.detection.roi_align import align_regions, region_levels

STRIDES = (4, 8, 16, 32)


@pytest.mark.parametrize(
    ("side", "level"),
    [(0, 0), (1, 0), (56, 0), (111, 0), (112, 1), (223, 1), (224, 2), (447, 2), (448, 3), (896, 3), (5000, 3)],
)
def test_the_level_rule_of_56(side, level):
    """mmdetection: floor(log2(sqrt(area) / 56 + 1e-6)), within the levels."""
    assert region_levels(torch.tensor([[0.0, 0, side, side]]), 4, 56).tolist() == [level]
    assert region_levels(torch.tensor([[10.0, 10, 10 + side / 2, 10 + side * 2]]), 4, 56).tolist() == [level]


def test_inverted_boxes_are_of_the_finest_level():
    assert region_levels(torch.tensor([[10.0, 0, 5, 20]]), 4, 56).tolist() == [0]


def maps(dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, 3, 256 // s, 256 // s, dtype=dtype).requires_grad_() for s in STRIDES]


BOXES = [
    torch.tensor([[10.2, 20.7, 40.1, 61.3], [3, 5, 240, 250]]),
    torch.tensor([[30.0, 30, 150, 170], [1, 2, 9, 8], [0, 0, 256, 256.0]]),
]


def test_each_region_is_read_off_its_level_of_its_image():
    levels = maps()
    read = align_regions(levels, STRIDES, BOXES, 7, 56)
    assert read.shape == (5, 3, 7, 7)
    number = 0
    for image, boxes in enumerate(BOXES):
        for box in boxes:
            level = int(region_levels(box[None], 4, 56))
            part = levels[level][image : image + 1]
            alone = roi_align(part, [box[None]], 7, 1 / STRIDES[level], sampling_ratio=0, aligned=True)
            torch.testing.assert_close(read[number : number + 1], alone)
            number += 1


def test_levels_without_regions_keep_the_graph():
    levels = maps()
    align_regions(levels, STRIDES, [BOXES[0][:1], BOXES[1][:0]], 7, 56).sum().backward()
    assert [x.grad is not None for x in levels] == [True] * 4
    assert levels[0].grad.abs().sum() > 0 and levels[3].grad.abs().sum() == 0
    none = maps()
    align_regions(none, STRIDES, [BOXES[0][:0]] * 2, 7, 56).sum().backward()
    assert all(x.grad is not None and not x.grad.any() for x in none)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_edges_of_regions_are_not_rounded_in_half_precision(dtype):
    """In bfloat16 103.3 would be 103.5, and 241.7 would be 242."""
    boxes = [torch.tensor([[103.3, 101.7, 241.7, 243.9]]), torch.tensor([[77.1, 10.3, 201.9, 131.1]])]
    half = [x.detach().to(dtype) for x in maps()]
    read = align_regions(half, STRIDES, boxes, 7, 56)
    assert read.dtype == dtype
    exact = align_regions([x.float() for x in half], STRIDES, boxes, 7, 56)
    assert torch.equal(read, exact.to(dtype))
