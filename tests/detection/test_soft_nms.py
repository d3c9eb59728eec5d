"""Soft-NMS beside a plain loop of its definition, and the detectors that have it."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from old_torch import not_traced_by_old_torch
from small_detectors import SIZES, SMALL_CASCADE, draw_weights, pictures
from torch import Tensor, nn
from torchvision.ops import box_iou

from swinkit import InputError
from swinkit.backbone.swin import SwinConfig
from swinkit.detection.atss import ATSS
from swinkit.detection.nms import nms_within, suppressed
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.soft_nms import Suppression, soft_nms
from swinkit.layers.pixels import pad_batch
from swinkit.structures import Detections

SOFT = [
    Suppression("linear"),
    Suppression("gaussian", sigma=0.3),
    Suppression("naive"),
    Suppression("linear", 0.5, 0.2),
]


def scene(count: int, *, seed: int = 0, classes: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 100 - 20
    boxes = torch.cat([corner, corner + 5 + torch.rand(count, 2, generator=generator) * 60], 1)
    return boxes, torch.rand(count, generator=generator), torch.randint(classes, (count,), generator=generator)


def by_definition(
    boxes: Tensor, scores: Tensor, labels: Tensor, suppression: Suppression, iou: float
) -> tuple[list[int], list[float]]:
    """One box after the other, in double precision."""
    overlap = box_iou(boxes.double(), boxes.double()).tolist()
    remaining = dict(enumerate(scores.double().tolist()))
    kept, left = [], []
    while remaining:
        best = max(remaining, key=lambda number: (remaining[number], -number))
        score = remaining.pop(best)
        kept.append(best)
        left.append(score)
        for other in list(remaining):
            if labels[other] == labels[best]:
                shared = overlap[best][other]
                if suppression.method == "gaussian":
                    remaining[other] *= math.exp(-(shared**2) / suppression.sigma)
                elif shared >= iou:
                    remaining[other] *= 1 - shared if suppression.method == "linear" else 0
            if remaining[other] < suppression.min_score:
                del remaining[other]
    return kept, left


@pytest.mark.parametrize("suppression", SOFT, ids=lambda each: f"{each.method}_{each.min_score}")
@pytest.mark.parametrize("classes", [1, 4])
def test_boxes_lose_score_as_defined(suppression: Suppression, classes: int) -> None:
    boxes, scores, labels = scene(120, classes=classes)
    kept, left = soft_nms(boxes, scores, labels, suppression, iou=0.4)
    expected, lowered = by_definition(boxes, scores, labels, suppression, 0.4)
    assert kept.tolist() == expected and (classes > 1 or len(kept) < 120)
    assert left.tolist() == pytest.approx(lowered, abs=1e-6)
    some, scores_of_some = soft_nms(boxes, scores, labels, suppression, iou=0.4, limit=7)
    assert torch.equal(some, kept[:7]) and torch.equal(scores_of_some, left[:7])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_boxes(count: int) -> None:
    boxes, scores, labels = scene(count)
    kept, left = soft_nms(boxes, scores * 1e-4, labels, Suppression("linear"), iou=0.4)
    assert len(kept) == len(left) == min(count, 1)  # the best stays below min_score, too


def test_boxes_without_area_neither_lose_nor_take_score() -> None:
    boxes = torch.tensor([[3.0, 3, 3, 9], [3, 3, 3, 9], [0, 0, 10, 10]])
    for suppression in SOFT[:3]:
        kept, left = soft_nms(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3).long(), suppression, iou=0.3)
        assert kept.tolist() == [0, 1, 2] and left.tolist() == pytest.approx([0.9, 0.8, 0.7])


def test_greedy_is_plain_nms() -> None:
    boxes, scores, labels = scene(80)
    kept, left = suppressed(boxes, scores, labels, Suppression(), iou=0.4, limit=20)
    assert torch.equal(kept, nms_within(boxes, scores, labels, 0.4)[:20]) and torch.equal(left, scores[kept])
    with pytest.raises(InputError, match="plain NMS"):
        soft_nms(boxes, scores, labels, Suppression(), iou=0.4)


class Chosen(nn.Module):
    """A number of boxes that a tracer cannot know, then soft-NMS."""

    def __init__(self, suppression: Suppression) -> None:
        super().__init__()
        self.suppression = suppression

    def forward(self, boxes: Tensor, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        numbers = torch.nonzero(scores > 0.3)[:, 0]
        return soft_nms(boxes[numbers], scores[numbers], labels[numbers], self.suppression, iou=0.4, limit=40)


@not_traced_by_old_torch
@pytest.mark.parametrize("suppression", SOFT, ids=lambda each: f"{each.method}_{each.min_score}")
def test_an_exported_soft_nms_takes_the_same_boxes(suppression: Suppression) -> None:
    plain = Chosen(suppression)
    program = torch.export.export(plain, scene(60), strict=False).module()
    for seed, factor in ((0, 1.0), (1, 1.0), (2, 0.0), (3, 0.34)):  # of the last two, none and few are left
        boxes, scores, labels = scene(60, seed=seed)
        kept, left = program(boxes, scores * factor, labels)
        expected, lowered = plain(boxes, scores * factor, labels)
        assert torch.equal(kept, expected)
        torch.testing.assert_close(left, lowered)


BACKBONE = SwinConfig(embed_dim=8, depths=(1, 1, 1), num_heads=(1, 2, 2), window_size=4, image_size=(64, 64))
DENSE: dict[str, Any] = {"channels": 8, "groups": 4, "convs": 1, "score_threshold": 0.0, "detections": 40}


@pytest.mark.parametrize("name", ["cascade", "atss", "reppoints_v2"])
def test_detectors_suppress_as_they_are_told(name: str) -> None:
    kinds: dict[str, Any] = {
        "cascade": replace(SMALL_CASCADE, score_threshold=0.0, detections=40),
        "atss": ATSS(**DENSE),
        "reppoints_v2": RepPointsV2(**DENSE | {"corner_channels": 4}),
    }
    backbone = replace(BACKBONE, depths=(1, 1), num_heads=(1, 2)) if name == "cascade" else BACKBONE.from_stride(8)
    batch, sizes = pad_batch(pictures())

    @torch.no_grad()
    def found(**values: Any) -> Detections:
        torch.manual_seed(0)
        model = replace(kinds[name], **values).build(backbone.build(), 3).eval()
        if name == "reppoints_v2":  # fresh ones give no boxes
            draw_weights(model.bbox_head, 1.0, seed=1)
        return model.postprocess(model(batch, sizes), SIZES)[0]

    everything = found(nms_iou=1.0, detections=1000)  # nothing overlaps more than wholly
    suppression = Suppression("gaussian", sigma=0.1)
    soft = found(suppression=suppression)
    kept, left = soft_nms(everything.boxes, everything.scores, everything.labels, suppression, iou=0.5, limit=40)
    torch.testing.assert_close(soft.scores, left)
    assert torch.equal(soft.labels, everything.labels[kept]) and not torch.equal(left, everything.scores[kept])
    torch.testing.assert_close(soft.boxes, everything.boxes[kept])
    assert soft.masks is None or torch.equal(soft.masks[0], everything.masks[kept[0]])


@pytest.mark.parametrize("values", [{"sigma": 0.0}, {"min_score": float("nan")}])
def test_values_that_mean_nothing_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match="soft-NMS needs"):
        Suppression("gaussian", **values)
