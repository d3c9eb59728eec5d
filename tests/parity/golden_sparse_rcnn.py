"""Sparse R-CNN from golden files: built from mmdetection's config, loaded, run, compared."""

from __future__ import annotations

from typing import Any

import torch
from golden_comparison import Comparison, compare_gradients, compare_trained, compare_values
from golden_detection import compare_detections, normalise_as
from golden_file import Golden
from golden_models import DENSE, compare_buffers, constructor_arguments, dense_config, load

from swinkit import SwinTransformer
from swinkit.detection.assigners import assign_one_to_one
from swinkit.detection.sparse_rcnn import SparseDetector, SparseOutputs, SparseRCNN
from swinkit.layers.pixels import pad_batch
from swinkit.ops.window_attention import AttentionBackend
from swinkit.structures import Instances


def check_sparse_rcnn(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    """Pyramid, losses of each stage, share of right classes among the matched, gradients, detections."""
    model = build_sparse_rcnn(golden.config, backend)
    lines = load(model, golden)
    assert isinstance(model.backbone, SwinTransformer)
    lines += compare_buffers(model.backbone, golden, prefix="backbone.")
    count = sum(name.startswith("images.") for name in golden.stored)
    images = [golden.tensor(f"images.{number}") for number in range(count)]
    normalise_as(golden, model, images)
    batch, sizes = pad_batch(images)
    targets = [
        Instances(golden.tensor(f"targets.{image}.boxes"), golden.tensor(f"targets.{image}.labels"), None)
        for image in range(count)
    ]
    outputs = model(batch, sizes, targets)
    lines += [
        compare_values(f"pyramid.{level}", x.detach(), golden.stored[f"pyramid.{level}"])
        for level, x in enumerate(outputs.maps)
    ]
    losses = model.losses(outputs, targets)
    values = {name: value.detach() for name, value in losses.items()} | _accuracies(model, outputs, targets)
    lines += [
        compare_values(f"losses.{name}", value, golden.stored[f"losses.{name}"]) for name, value in values.items()
    ]
    torch.stack(list(losses.values())).sum().backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    lines += [*compare_gradients(golden, gradients), compare_trained(golden, gradients)]
    with torch.no_grad():
        return lines + compare_detections(golden, model, outputs)


def _accuracies(model: SparseDetector, outputs: SparseOutputs, targets: list[Instances]) -> dict[str, torch.Tensor]:
    """Percent of the matched proposals whose likeliest class is right."""
    accuracies = {}
    for number, (logits, boxes) in enumerate(zip(outputs.logits, outputs.boxes, strict=True)):
        right = []
        for image, (truth, (height, width)) in enumerate(zip(targets, outputs.sizes, strict=True)):
            lengths = boxes.new_tensor([width, height, width, height])
            rows, columns = assign_one_to_one(model._cost(logits[image], boxes[image], truth, lengths))
            right.append(logits[image, rows].argmax(1) == truth.labels[columns])
        accuracies[f"s{number}.pos_acc"] = 100 * torch.cat(right).float().mean()
    return accuracies


def build_sparse_rcnn(config: dict[str, Any], backend: AttentionBackend) -> SparseDetector:
    given = {key: value for key, value in config["backbone"].items() if key not in ("type", "init_cfg")}
    backbone = SwinTransformer(dense_config(constructor_arguments(given, DENSE)), attention_backend=backend)
    heads = config["roi_head"]["bbox_head"]
    head = heads[0]
    sparse = SparseRCNN(
        proposals=config["rpn_head"]["num_proposals"],
        stages=len(heads),
        channels=config["neck"]["out_channels"],
        heads=head["num_heads"],
        inner=head["dynamic_conv_cfg"]["feat_channels"],
        hidden=head["feedforward_channels"],
        stds=tuple(head["bbox_coder"]["target_stds"]),
        class_weight=head["loss_cls"]["loss_weight"],
        box_weight=head["loss_bbox"]["loss_weight"],
        iou_weight=head["loss_iou"]["loss_weight"],
    )
    return sparse.build(backbone, head["num_classes"]).eval()
