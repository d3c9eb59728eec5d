"""The mask head: targets against a plain reading of the masks, and its loss."""

import pytest
import torch
from small_detectors import instances
from torch.nn import functional as F

from swinkit.detection import mask_head as module
from swinkit.detection.mask_head import MaskHead, mask_loss, mask_targets, of_class
from swinkit.detection.samplers import Samples
from swinkit.structures import Instances

PADDED = (64, 96)


def truth_of(masks: torch.Tensor) -> Instances:
    """Ground truth whose boxes and labels do not matter."""
    return Instances(torch.zeros(len(masks), 4), torch.zeros(len(masks)).long(), masks)


def samples(boxes: list[list[float]], numbers: list[int]) -> Samples:
    count = len(boxes)
    negative = torch.tensor([[0.0, 0, 9, 9]])
    flat = torch.cat([torch.tensor(boxes, dtype=torch.float32).view(-1, 4), negative])
    return Samples(flat, torch.tensor(numbers).long(), torch.zeros(count + 1, dtype=torch.bool))


def naive(mask: torch.Tensor, box: list[float], size: int) -> torch.Tensor:
    """Means of bilinear samples, ceil(side / size) a part in each direction, cut at one half."""
    height, width = mask.shape

    def value(y: float, x: float) -> float:
        if y < -1 or y > height or x < -1 or x > width:
            return 0.0
        y, x = max(y, 0.0), max(x, 0.0)
        top, left = min(int(y), height - 1), min(int(x), width - 1)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        dy, dx = (0.0 if top == height - 1 else y - top), (0.0 if left == width - 1 else x - left)
        upper = mask[top, left] * (1 - dx) + mask[top, right] * dx
        lower = mask[bottom, left] * (1 - dx) + mask[bottom, right] * dx
        return float(upper * (1 - dy) + lower * dy)

    left, top, right, bottom = (side - 0.5 for side in box)
    high, wide = (bottom - top) / size, (right - left) / size
    rows, columns = -int(-high // 1), -int(-wide // 1)
    result = torch.zeros(size, size)
    for i in range(size):
        for j in range(size):
            values = [
                value(top + (i + (y + 0.5) / rows) * high, left + (j + (x + 0.5) / columns) * wide)
                for y in range(rows)
                for x in range(columns)
            ]
            result[i, j] = sum(values) / len(values)
    return (result >= 0.5).float()


def test_targets_equal_a_plain_reading():
    generator = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.rand(1, 2, 9, 12, generator=generator), (50, 60), mode="bilinear")[0]
    masks = smooth > 0.5
    boxes = [[3.2, 4.1, 30.7, 33.3], [10.0, 5.0, 24.0, 47.0], [40.5, 30.2, 59.9, 49.7], [-3.0, -2.0, 8.0, 9.0]]
    numbers = [0, 1, 1, 0]
    targets = mask_targets([samples(boxes, numbers)], [truth_of(masks)], 14, PADDED)
    assert targets.shape == (4, 14, 14) and targets.dtype == torch.float32
    assert set(targets.unique().tolist()) == {0, 1}
    padded = F.pad(masks.float(), (0, 36, 0, 14))
    for target, box, number in zip(targets, boxes, numbers, strict=True):
        assert (target != naive(padded[number], box, 14)).sum() <= 1  # a mean of one half may fall on either side


def test_a_box_around_its_instance_is_full_and_one_twice_as_wide_half():
    truth = instances((50, 60), [[10, 10, 24, 24]], [0])
    given = samples([[10, 10, 24, 24], [10, 10, 38, 24], [40, 40, 50, 50]], [0, 0, 0])
    full, half, empty = mask_targets([given], [truth], 14, PADDED)
    assert full.all() and not empty.any()
    assert half[:, :7].all() and not half[:, 7:].any()


def test_images_follow_each_other_and_may_have_no_instances():
    one, none = instances((50, 60), [[10, 10, 24, 24]], [0]), instances((20, 30), [], [])
    given = [samples([], []), samples([[10, 10, 24, 24]], [0])]
    assert mask_targets(given, [none, one], 8, PADDED).all()
    assert mask_targets(given[:1], [none], 8, PADDED).shape == (0, 8, 8)


def test_many_instances_go_in_parts(monkeypatch: pytest.MonkeyPatch):
    boxes = [[2 * k, k, 2 * k + 10, k + 13] for k in range(20)]
    truth = instances((50, 60), boxes, [0] * 20)
    given = samples([[b[0] - 3, b[1], b[2], b[3] + 5] for b in boxes[::-1]], list(range(20))[::-1])
    whole = mask_targets([given], [truth], 8, PADDED)
    monkeypatch.setattr(module, "MASKS_AT_ONCE", 3)
    assert torch.equal(whole, mask_targets([given], [truth], 8, PADDED))
    monkeypatch.setattr(module, "MASKS_AT_ONCE", 100)
    assert torch.equal(whole, mask_targets([given], [truth], 8, PADDED))


def test_the_loss_is_of_the_true_class_alone():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, requires_grad=True)
    targets = (torch.rand(2, 8, 8) > 0.5).float()
    labels = torch.tensor([2, 0])
    loss = mask_loss(logits, targets, labels)
    chosen = torch.stack([logits[0, 2], logits[1, 0]])
    torch.testing.assert_close(loss, F.binary_cross_entropy_with_logits(chosen, targets))
    loss.backward()
    assert logits.grad[0, 2].any() and not logits.grad[0, :2].any() and not logits.grad[1, 1:].any()
    assert torch.equal(of_class(logits, labels), chosen)


def test_no_regions():
    head = MaskHead(8, 3, convs=1)
    logits = head(torch.zeros(0, 8, 4, 4)).logits
    assert logits is not None
    assert logits.shape == (0, 3, 8, 8)
    loss = mask_loss(logits, torch.zeros(0, 8, 8), torch.zeros(0).long())
    loss.backward()
    assert loss == 0 and all(parameter.grad is not None for parameter in head.parameters())
