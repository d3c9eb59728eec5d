"""Test-time augmentation of every detector: beside its definition written out view by view, and mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image
from small_detectors import BOTH, CLASSES, SMALL_CASCADE, draw_weights, small
from torch import Tensor, nn
from torchvision.ops import batched_nms, nms

from swinkit import InputError
from swinkit.backbone.swin import SwinConfig
from swinkit.detection.atss import ATSS
from swinkit.detection.box_head import deltas_of
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.detector import DetectorConfig, DetectorModel
from swinkit.detection.evaluation_images import detect_in, detect_in_views
from swinkit.detection.htc import HTC
from swinkit.detection.mask_head import of_class
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
from swinkit.detection.predictor import Detector, describe_detector
from swinkit.detection.rcnn import RCNN
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.soft_nms import Suppression
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.detection.views import ImageViews
from swinkit.layers.pixels import pad_batch
from swinkit.ops.boxes import decode_boxes
from swinkit.ops.resizing import resized_image
from swinkit.structures import Detections, Views

BACKBONE = SwinConfig(embed_dim=8, depths=(1, 1, 1), num_heads=(1, 2, 2), window_size=4, image_size=(64, 64))
DENSE: dict[str, Any] = {"channels": 8, "groups": 4, "convs": 1, "score_threshold": 0.02, "detections": 30}
REGIONS: dict[str, Any] = {"score_threshold": 0.01, "detections": 30}
CONFIGS: dict[str, DetectorConfig] = {
    "mask_rcnn": replace(BOTH["mask_rcnn"], **REGIONS),
    "cascade": replace(SMALL_CASCADE, **REGIONS),
    "htc": small(HTC(semantic_classes=3), suppression=Suppression("linear"), **REGIONS),
    "atss": ATSS(**DENSE),
    "sparse_rcnn": SparseRCNN(proposals=40, stages=2, channels=8, heads=2, inner=4, hidden=8, finest_scale=8.0),
    "reppoints_v2": RepPointsV2(**DENSE | {"corner_channels": 4}),
    "mask_reppoints_v2": MaskRepPointsV2(**DENSE | {"corner_channels": 4, "mask_channels": 8}),
}
SEEDS = {"reppoints_v2": 3, "mask_reppoints_v2": 3}
"""Of the weights, where others than 0 give boxes that differ."""
SIZE = (50, 62)
RESIZE = DetectionResize(48, 80)
CPU = torch.device("cpu")


def built(name: str) -> DetectorModel:
    """With weights so large that scores and boxes differ from place to place."""
    torch.manual_seed(0)
    is_dense = name in ("atss", "reppoints_v2", "mask_reppoints_v2")
    model = CONFIGS[name].build((BACKBONE.from_stride(8) if is_dense else BACKBONE).build(), CLASSES).eval()
    draw_weights(model, 0.5 if name == "sparse_rcnn" else 2.0, seed=SEEDS.get(name, 0))
    return model


def picture(size: tuple[int, int] = SIZE, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 9, generator=generator) * 255
    return nn.functional.interpolate(coarse, size, mode="bilinear")[0].to(torch.uint8)


def found_in(model: DetectorModel, image: Tensor, views: Views, resize: DetectionResize = RESIZE) -> Detections:
    return detect_in_views(model, image, resize, views, device=CPU)


def same(ours: Detections, theirs: Detections) -> None:
    assert len(ours.scores) == len(theirs.scores) > 3
    assert torch.equal(ours.labels, theirs.labels)
    torch.testing.assert_close(ours.scores, theirs.scores)
    torch.testing.assert_close(ours.boxes, theirs.boxes, atol=1e-3, rtol=1e-4)
    assert (ours.masks is None) == (theirs.masks is None)
    if ours.masks is not None and theirs.masks is not None:
        torch.testing.assert_close(ours.masks.float(), theirs.masks.float(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", CONFIGS)
def test_one_view_is_the_plain_result(name: str) -> None:
    model, image = built(name), picture()
    (plain,) = detect_in(model, [resized_image(image, (48, 60))], [SIZE])
    same(found_in(model, image, Views(scales=(48,))), plain)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_mirrored_image_gives_the_mirrored_result(name: str) -> None:
    """Where it is shown mirrored, too, the views of both images are the same."""
    model, image, views = built(name), picture((48, 64)), Views(flip=True)
    plain, other = found_in(model, image, views), found_in(model, image.flip(2), views)
    left, top, right, bottom = other.boxes.unbind(1)
    masks = None if other.masks is None else other.masks.flip(2)
    same(plain, other._replace(boxes=torch.stack([64 - right, top, 64 - left, bottom], 1), masks=masks))


def plain_views(image: Tensor, sides: Sequence[tuple[int, int]]) -> list[tuple[Tensor, bool]]:
    shown = [resized_image(image, size) for size in sides]
    return [(view, False) for view in shown] + [(view.flip(2), True) for view in shown]


def turned(boxes: Tensor, width: float, is_mirrored: bool) -> Tensor:
    if not is_mirrored:
        return boxes
    return torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)


@pytest.mark.parametrize("name", ["mask_rcnn", "cascade", "htc"])
@torch.no_grad()
def test_regions_are_merged_as_the_official_code_does(name: str) -> None:
    """Proposals by one NMS, boxes and scores as means, masks as means over views and stages."""
    model, image = built(name), picture()
    assert isinstance(model, RCNN)
    views = plain_views(image, [(40, 50), (60, 74)])
    units = [torch.tensor([view.shape[2] / SIZE[1], view.shape[1] / SIZE[0]] * 2) for view, _ in views]
    maps = []
    boxes, scores = [], []
    for (view, is_mirrored), unit in zip(views, units, strict=True):
        batch, sizes = pad_batch([view])
        outputs = model(batch, sizes)
        (proposals,) = model.rpn_head.proposals(outputs.rpn, sizes, model.config.rpn.inference)
        maps.append((model.roi_head.readable(outputs.maps), sizes))
        boxes.append(turned(proposals.boxes, view.shape[2], is_mirrored) / unit)
        scores.append(proposals.scores)
    best = nms(torch.cat(boxes), torch.cat(scores), model.config.rpn.inference.nms_iou)
    regions = torch.cat(boxes)[best][: model.config.rpn.inference.post_nms]

    means: list[list[Tensor]] = [[] for _ in range(CLASSES)]
    probabilities = []
    for (view, is_mirrored), unit, (source, sizes) in zip(views, units, maps, strict=True):
        stages = model.roi_head.refine(source, [turned(regions * unit, view.shape[2], is_mirrored)], sizes)
        logits = sum(stage.box_outputs.logits for stage in stages) / len(stages)
        probabilities.append(logits.softmax(1))
        for label in range(CLASSES):
            deltas = deltas_of(stages[-1].box_outputs, torch.full((len(regions),), label))
            decoded = decode_boxes(stages[-1].regions[0], deltas, model.config.stages[-1].stds, sizes[0])
            means[label].append(turned(decoded, view.shape[2], is_mirrored) / unit)
    mean = torch.stack(probabilities).mean(0)
    merged = torch.stack([torch.stack(column).mean(0) for column in means], 1)  # (P, K, 4)

    found = found_in(model, image, Views(scales=(40, 60), flip=True))
    assert found.masks is not None and len(found.scores) > 3
    for box, score, label, mask in zip(found.boxes, found.scores, found.labels, found.masks, strict=True):
        near = (merged[:, label] - box).abs().max(1).values
        if model.config.suppression.method == "greedy":
            assert (near[(mean[:, label] - score).abs() < 1e-5] < 1e-2).any()
        assert near.min() < 1e-2
        parts = []
        for (view, is_mirrored), unit, (source, _) in zip(views, units, maps, strict=True):
            shown = turned(box[None] * unit, view.shape[2], is_mirrored)
            for logits in model.roi_head.mask_logits(source, [shown]):
                part = of_class(logits, label[None])[0].sigmoid()
                parts.append(part.flip(1) if is_mirrored else part)
        torch.testing.assert_close(mask, torch.stack(parts).mean(0), atol=1e-3, rtol=1e-2)
    if model.config.suppression.method == "greedy":
        chosen = (mean[:, :-1] > model.config.score_threshold).nonzero()
        flat, score = merged[chosen[:, 0], chosen[:, 1]], mean[chosen[:, 0], chosen[:, 1]]
        kept = batched_nms(flat, score, chosen[:, 1], model.config.nms_iou)[: model.config.detections]
        torch.testing.assert_close(found.scores, score[kept], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", ["atss", "reppoints_v2", "mask_reppoints_v2", "sparse_rcnn"])
@torch.no_grad()
def test_other_detectors_suppress_what_all_views_found(name: str) -> None:
    model, image = built(name), picture()
    if name != "sparse_rcnn":
        model.config = replace(model.config, nms_iou=1.0, detections=1000)
    boxes, scores, labels, masks = [], [], [], []
    for view, is_mirrored in plain_views(image, [(40, 50), (60, 74)]):
        (part,) = model.postprocess(model(*pad_batch([view])), [SIZE])
        boxes.append(turned(part.boxes, SIZE[1], is_mirrored))
        scores.append(part.scores)
        labels.append(part.labels)
        masks += [] if part.masks is None else [part.masks.flip(2) if is_mirrored else part.masks]
    flat, score, label = torch.cat(boxes), torch.cat(scores), torch.cat(labels)
    model.config = CONFIGS[name]
    iou, limit = (0.5, 40) if name == "sparse_rcnn" else (0.6, 30)
    kept = batched_nms(flat, score, label, iou)[:limit]
    found = found_in(model, image, Views(scales=(40, 60), flip=True))
    expected = Detections(flat[kept], score[kept], label[kept], torch.cat(masks)[kept] if masks else None, SIZE)
    view_of = torch.arange(4).repeat_interleave(torch.tensor([len(part) for part in scores]))
    assert len(view_of[kept].unique()) > 1 and not torch.equal(kept, score.sort(descending=True).indices[: len(kept)])
    same(found, expected)


def test_a_view_is_made_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    views = ImageViews(picture(), Views(scales=(40, 60), flip=True), (48, 80), CPU)
    made: list[tuple[int, int]] = []

    def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
        made.append(size)
        return resized_image(image, size)

    monkeypatch.setattr("swinkit.detection.views.resized_image", resize)
    assert len(views) == 4 and made == []
    first, *rest = views
    assert made == [(40, 50), (40, 50), (60, 74), (60, 74)]
    assert [view.is_mirrored for view in (first, *rest)] == [False, True, False, True]
    boxes = torch.tensor([[3.0, 4, 20, 30]])
    for view in (first, *rest):
        torch.testing.assert_close(view.original(view.shown(boxes)), boxes)
    assert torch.equal(rest[0].image.flip(2), first.image)
    assert rest[0].shown(boxes)[0, 0] == pytest.approx(50 - 20 * 50 / 62)


def test_limits_grow_with_the_scale_unless_told() -> None:
    assert Views().limits((800, 1333)) == [(800, 1333)]
    assert Views(scales=(400, 1400)).limits((800, 1333)) == [(400, 666), (1400, 2333)]
    assert Views(scales=(400, 1400), longest_side=1600).limits((800, 1333)) == [(400, 1600), (1400, 1600)]
    for wrong in ({"scales": (0,)}, {"scales": (400, -1)}, {"longest_side": 0}):
        with pytest.raises(InputError, match="1 pixel or more"):
            Views(**wrong)  # type: ignore[arg-type]


def test_the_predictor_takes_views() -> None:
    model = built("cascade")
    classes = ("a", "b", "c")
    detector = Detector(model, classes, RESIZE, describe_detector(model, classes, RESIZE))
    image = picture()
    shown = Image.fromarray(image.permute(1, 2, 0).numpy())
    views = Views(scales=(40, 60), flip=True)
    one, two = detector.predict([shown, shown], views=views)
    same(one.detections, found_in(model, image, views))
    same(two.detections, one.detections)
    assert len(detector.predict(shown, views=views, top=2)) == 2
    plain = detector.predict(shown)
    assert not torch.equal(plain.scores[:4], one.scores[:4])
