"""Soft-NMS from golden files: every case as mmcv's `soft_nms` or `batched_nms` was called.

Shapes: R boxes, D detections.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from golden_comparison import Comparison, miss
from golden_file import Golden
from safetensors import safe_open
from torch import Tensor

from swinkit import InputError
from swinkit.detection.nms import nms_within
from swinkit.detection.soft_nms import Suppression, soft_nms
from swinkit.ops.window_attention import AttentionBackend

SCORES = 1e-5
SPLIT = 10000
"""From so many boxes on mmcv's `batched_nms` goes class by class, unless told otherwise."""
OWN = {"type", "class_agnostic", "split_thr", "max_num"}
"""What `batched_nms` takes out of its arguments for itself."""


def check_soft_nms(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    """Which boxes are left, in which order, with which scores. Of `ties_*` the scores alone: the rule "highest first"
    does not say which of equal boxes goes first."""
    with safe_open(golden.path, framework="pt") as file:
        defaults = json.loads((file.metadata() or {}).get("defaults", "{}"))
    lines = []
    for case, told in golden.config.items():
        boxes, scores = golden.tensor(f"{case}.boxes"), golden.tensor(f"{case}.scores")
        labels = golden.stored.get(f"{case}.labels", torch.zeros(len(scores), dtype=torch.int64))
        kept, left = _called(told["call"], boxes, scores, labels, told["arguments"], defaults)
        lines += _compare(golden, case, boxes, kept, left)
    return lines


def _called(
    call: str, boxes: Tensor, scores: Tensor, labels: Tensor, arguments: dict[str, Any], defaults: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Numbers (D,) and scores (D,) of what is left."""
    if call not in ("soft_nms", "batched_nms"):
        raise InputError(f"it calls {call!r}, which is neither soft_nms nor batched_nms")
    if call == "soft_nms" or arguments.get("class_agnostic", False):
        labels = torch.zeros_like(labels)
    rest = {name: value for name, value in arguments.items() if call == "soft_nms" or name not in OWN}
    if call == "batched_nms" and arguments.get("type", "nms") == "nms":
        if rest.keys() - {"iou_threshold"}:
            raise InputError(f"it asks of plain NMS what swinkit does not have: {', '.join(rest)}")
        kept = nms_within(boxes, scores, labels, rest["iou_threshold"])
        return kept, scores[kept]
    values = defaults | rest
    if call == "batched_nms" and len(boxes) >= arguments.get("split_thr", SPLIT):
        return _split(boxes, scores, labels, values, arguments.get("max_num", -1))
    return _soft(boxes, scores, labels, values)


def _soft(boxes: Tensor, scores: Tensor, labels: Tensor, values: dict[str, Any]) -> tuple[Tensor, Tensor]:
    suppression = Suppression(values["method"], values["sigma"], values["min_score"])
    return soft_nms(boxes, scores, labels, suppression, iou=values["iou_threshold"], offset=values["offset"])


def _split(boxes: Tensor, scores: Tensor, labels: Tensor, values: dict[str, Any], most: int) -> tuple[Tensor, Tensor]:
    """Class by class, so that the best of every class stays; then sorted."""
    kept, left = [], []
    for label in labels.unique():
        here = (labels == label).nonzero()[:, 0]
        chosen, lowered = _soft(boxes[here], scores[here], labels[here], values)
        kept.append(here[chosen])
        left.append(lowered)
    score, order = torch.cat(left).sort(descending=True, stable=True)
    order = order[:most] if most > 0 else order
    return torch.cat(kept)[order], score[: len(order)]


def _compare(golden: Golden, case: str, boxes: Tensor, kept: Tensor, left: Tensor) -> list[Comparison]:
    detections, indices = golden.tensor(f"{case}.detections"), golden.tensor(f"{case}.indices")
    inputs = [Comparison(f"{case}.{part}", 0.0, 0.0, "input") for part in ("boxes", "scores", "labels")]
    lines = [line for line in inputs if line.name in golden.stored]
    if len(kept) != len(indices):
        note = f"{len(kept)} are left here, {len(indices)} in the file"
        return [*lines, miss(f"{case}.indices", note), miss(f"{case}.detections", note)]
    far = (left.double() - detections[:, 4].double()).abs().max().item() if len(left) else 0.0
    if case.startswith("ties_"):
        lines.append(Comparison(f"{case}.indices", 0.0, 0.0, "not determined"))
        return [*lines, Comparison(f"{case}.detections", far, SCORES, "scores alone")]
    moved = (boxes[kept] - detections[:, :4]).abs().max().item() if len(left) else 0.0
    lines.append(Comparison(f"{case}.indices", float((kept != indices).sum()), 0.0))
    return [*lines, Comparison(f"{case}.detections", max(far, moved), SCORES)]
