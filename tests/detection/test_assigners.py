"""Which ground truth each box belongs to, against a loop over boxes."""

import pytest
import torch
from torchvision.ops import box_iou

from swinkit.detection.assigners import IGNORED, NEGATIVE, MatcherConfig, match_boxes

RPN = MatcherConfig(positive_iou=0.7, negative_iou=0.3, low_quality_iou=0.3)


def random_boxes(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner, side = torch.rand(count, 2, generator=generator) * 60, 8 + torch.rand(count, 2, generator=generator) * 40
    return torch.cat([corner, corner + side], 1)


def naive(truth: torch.Tensor, boxes: torch.Tensor, config: MatcherConfig) -> list[int]:
    overlaps = box_iou(truth, boxes)
    result = []
    for column in overlaps.T:
        best = int(column.argmax())
        value = float(column[best])
        below = NEGATIVE if value < config.negative_iou else IGNORED
        result.append(best if value >= config.positive_iou else below)
    if config.low_quality_iou is not None:
        for number, row in enumerate(overlaps):
            if float(row.max()) >= config.low_quality_iou:
                for box in torch.nonzero(row == row.max())[:, 0].tolist():
                    result[box] = number
    return result


@pytest.mark.parametrize("config", [RPN, MatcherConfig(), MatcherConfig(0.6, 0.6), MatcherConfig(0.5, 0.5, 0.5)])
def test_equals_a_loop(config):
    truth, boxes = random_boxes(6, 0), random_boxes(200, 1)
    boxes[:3] = truth[:3]
    matches = match_boxes(truth, boxes, config)
    assert matches.dtype == torch.int64 and matches.tolist() == naive(truth, boxes, config)
    assert {NEGATIVE} < set(matches.tolist()) and matches[:3].tolist() == [0, 1, 2]


def test_between_the_thresholds_a_box_is_ignored():
    truth = torch.tensor([[0.0, 0, 10, 10]])
    boxes = torch.tensor([[0.0, 0, 10, 8], [0, 0, 10, 5], [0, 0, 10, 2]])  # IoU 0.8, 0.5, 0.2
    assert match_boxes(truth, boxes, RPN).tolist() == [0, IGNORED, NEGATIVE]


def test_ground_truth_without_a_good_box_gets_its_best_one():
    truth, boxes = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[0.0, 0, 10, 4], [0, 0, 10, 3.5]])
    assert match_boxes(truth, boxes, RPN).tolist() == [0, IGNORED]
    assert match_boxes(truth, boxes, MatcherConfig(0.7, 0.3)).tolist() == [IGNORED, IGNORED]
    worse = torch.tensor([[0.0, 0, 10, 2.9]])
    assert match_boxes(truth, worse, RPN).tolist() == [NEGATIVE]


def test_of_two_with_the_same_best_box_the_last_has_it():
    truth, boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10]]), torch.tensor([[0.0, 0, 10, 9]])
    assert match_boxes(truth, boxes, RPN).tolist() == [1]
    assert match_boxes(truth, boxes, MatcherConfig(0.7, 0.3)).tolist() == [0]


@pytest.mark.parametrize(("count", "boxes"), [(0, 5), (3, 0), (0, 0)])
def test_without_ground_truth_or_boxes_all_are_negative(count, boxes):
    matches = match_boxes(random_boxes(count, 0), random_boxes(boxes, 1), RPN)
    assert matches.tolist() == [NEGATIVE] * boxes and matches.dtype == torch.int64
