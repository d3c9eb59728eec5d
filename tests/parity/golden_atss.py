"""ATSS from golden files: built from mmdetection's config, loaded, run, compared."""

from __future__ import annotations

from typing import Any

import torch
from golden_comparison import Comparison, compare_gradients, compare_trained, compare_values
from golden_detection import compare_detections, normalise_as, require, suppression_of
from golden_file import Golden
from golden_models import DENSE, compare_buffers, constructor_arguments, dense_config, load

from swinkit import SwinTransformer
from swinkit.detection.atss import ATSS, ATSSDetector
from swinkit.layers.pixels import pad_batch
from swinkit.ops.window_attention import AttentionBackend
from swinkit.structures import Instances


def check_atss(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    """Pyramid, raw outputs of the head, losses, gradients, detections."""
    model = build_atss(golden.config, backend)
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
    parts = {
        "pyramid": outputs.maps,
        "head.cls": outputs.logits,
        "head.reg": outputs.deltas,
        "head.centerness": outputs.centreness,
    }
    for part, levels in parts.items():
        lines += [
            compare_values(f"{part}.{level}", x.detach(), golden.stored[f"{part}.{level}"])
            for level, x in enumerate(levels)
        ]
    losses = model.losses(outputs, targets)
    lines += [
        compare_values(f"losses.{name}", value.detach(), golden.stored[f"losses.{name}"])
        for name, value in losses.items()
    ]
    torch.stack(list(losses.values())).sum().backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    lines += [*compare_gradients(golden, gradients), compare_trained(golden, gradients)]
    with torch.no_grad():
        return lines + compare_detections(golden, model, outputs)


def build_atss(config: dict[str, Any], backend: AttentionBackend) -> ATSSDetector:
    given = {key: value for key, value in config["backbone"].items() if key not in ("type", "init_cfg")}
    backbone = SwinTransformer(dense_config(constructor_arguments(given, DENSE)), attention_backend=backend)
    head, neck, test = config["bbox_head"], config["neck"], config["test_cfg"]
    anchors = head["anchor_generator"]
    require(
        {
            "the neck": neck["add_extra_convs"] == "on_output" and neck.get("start_level", 0) == 0,
            "anchors": anchors["ratios"] == [1.0] and anchors["scales_per_octave"] == 1,
            "the losses": head["loss_cls"]["type"] == "FocalLoss" and head["loss_bbox"]["type"] == "GIoULoss",
            "padding": config["train_cfg"]["allowed_border"] == -1,
        }
    )
    atss = ATSS(
        channels=neck["out_channels"],
        extra_levels=neck["num_outs"] - len(backbone.strides),
        convs=head["stacked_convs"],
        groups=head["norm_cfg"]["num_groups"],
        anchor=float(anchors["octave_base_scale"]),
        stds=tuple(head["bbox_coder"]["target_stds"]),
        topk=config["train_cfg"]["assigner"]["topk"],
        box_weight=head["loss_bbox"]["loss_weight"],
        pre_nms=test["nms_pre"],
        score_threshold=test["score_thr"],
        nms_iou=test["nms"]["iou_threshold"],
        suppression=suppression_of(test["nms"]),
        detections=test["max_per_img"],
    )
    return atss.build(backbone, head["num_classes"]).eval()
