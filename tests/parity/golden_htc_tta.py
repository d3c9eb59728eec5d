"""Test-time augmentation of HTC from golden files of the official code (mmdetection 2): every view, what is merged of
them, the detections, and the plain test of one view.

Shapes: P proposals, R detections, K classes, M side of a mask.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from golden_comparison import Comparison, miss
from golden_detection import build_rcnn, compare_boxes, compare_found, detection_meta, require
from golden_file import Golden
from golden_models import compare_buffers, load
from torch import Tensor

from swinkit import SwinTransformer
from swinkit.detection.htc import HTC
from swinkit.detection.rcnn import RCNN
from swinkit.detection.region_views import mean_scores, merged_proposals
from swinkit.detection.rpn import Proposals
from swinkit.detection.views import View
from swinkit.layers.pixels import pad_batch
from swinkit.ops.window_attention import AttentionBackend

BOXES, SCORES = 0.05, 1e-4
"""Pixels, and probabilities: of what is averaged."""
TRAINED = {
    "rpn": {
        "assigner": {"type": "MaxIoUAssigner", "pos_iou_thr": 0.7, "neg_iou_thr": 0.3},
        "sampler": {"type": "RandomSampler", "num": 256, "pos_fraction": 0.5},
    },
    "rcnn": {
        "assigner": {"type": "MaxIoUAssigner", "pos_iou_thr": 0.5, "neg_iou_thr": 0.5},
        "sampler": {"type": "RandomSampler", "num": 512, "pos_fraction": 0.25},
    },
}
"""How it would be trained, which such a file need not say."""


@torch.no_grad()
def check_htc_tta(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    """Proposals, boxes and scores of every view, merged proposals, boxes, scores and masks, detections, and those of a
    single view."""
    model = build_rcnn(as_in_mmdet_3(golden.config), backend)
    assert isinstance(model.config, HTC) and isinstance(model.backbone, SwinTransformer)
    model.config = replace(model.config, mask_ensemble="mean")
    lines = load(model, golden) + compare_buffers(model.backbone, golden, prefix="backbone.")
    for image, meta in enumerate(detection_meta(golden)):
        lines += _check_image(golden, model, image, meta)
    return lines


def as_in_mmdet_3(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration of mmdetection 2 in the words of 3."""
    config = {name: value for name, value in config.items() if name != "pretrained"}
    roi, test = dict(config["roi_head"]), config["test_cfg"]
    if roi.get("semantic_head"):
        semantic = dict(roi["semantic_head"])
        ignored, weight = semantic.pop("ignore_label", 255), semantic.pop("loss_weight", 0.2)
        roi["semantic_head"] = semantic | {"loss_seg": {"ignore_index": ignored, "loss_weight": weight}}
    stages = [TRAINED["rcnn"]] * len(roi["bbox_head"])
    train = config.get("train_cfg") or TRAINED | {"rpn_proposal": test["rpn"], "rcnn": stages}
    return config | {"roi_head": roi, "train_cfg": train}


def _check_image(golden: Golden, model: RCNN, image: int, meta: dict[str, Any]) -> list[Comparison]:
    views = [_view(golden, image, number, told) for number, told in enumerate(meta["augmentations"])]
    size = (int(meta["ori_shape"][0]), int(meta["ori_shape"][1]))
    lines, upright = [], []
    for number, view in enumerate(views):
        lines.append(Comparison(f"augmentations.{image}.{number}.image", 0.0, 0.0, "input"))
        found = model.proposals_of(view.image)
        lines += compare_boxes(golden, f"augmentations.{image}.{number}.proposals", found.boxes, found.scores)[0]
        upright.append(Proposals(view.original(found.boxes), found.scores))
    proposals = merged_proposals(upright, model.config.rpn.inference)
    compared, order = compare_boxes(golden, f"proposals.{image}", proposals.boxes, proposals.scores)
    lines += compared
    for number, view in enumerate(views):
        scored = model.scores_of(view.image, view.shown(proposals.boxes))
        lines += _compare_scored(golden, f"augmentations.{image}.{number}", *scored, order)
    merged = mean_scores(model, views, proposals.boxes)
    lines += _compare_scored(golden, f"merged.{image}", *merged, order)
    found = model.detect_views(views, size)
    compared, order = compare_found(golden, f"detections.{image}", found)
    assert found.masks is not None
    lines += [*compared, _compare(golden, f"merged.{image}.masks", found.masks, SCORES, order)]
    single = views[meta["single"]]
    (plain,) = model.postprocess(model(*pad_batch([single.image])), [size], scales=[single.scale])
    return lines + compare_found(golden, f"single.{image}", single.upright(plain))[0]


def _view(golden: Golden, image: int, number: int, told: dict[str, Any]) -> View:
    require({"flips that are not horizontal": not told["flip"] or told["flip_direction"] == "horizontal"})
    width, height = told["scale_factor"][:2]
    return View(golden.tensor(f"augmentations.{image}.{number}.image"), (width, height), bool(told["flip"]))


def _compare_scored(golden: Golden, name: str, boxes: Tensor, scores: Tensor, order: Tensor) -> list[Comparison]:
    """Boxes (P, K or 1, 4) and scores (P, K + 1)."""
    return [
        _compare(golden, f"{name}.boxes", boxes.flatten(1), BOXES, order),
        _compare(golden, f"{name}.scores", scores, SCORES, order),
    ]


def _compare(golden: Golden, name: str, ours: Tensor, tolerance: float, order: Tensor) -> Comparison:
    """The largest difference, where `order` says which of our rows is each of theirs."""
    theirs = golden.tensor(name)
    if ours.shape != theirs.shape or (order < 0).any():
        return miss(name, f"ours is {tuple(ours.shape)}, the file's {tuple(theirs.shape)}, or some have no counterpart")
    return Comparison(name, (ours[order] - theirs).abs().max().item() if len(order) else 0.0, tolerance)
