"""Mask R-CNN, Cascade Mask R-CNN and HTC from golden files: built from mmdetection's config, loaded, run, compared.

Shapes: B images, H W image, P proposals, R detections.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from golden_comparison import Comparison, compare_gradients, compare_trained, compare_values, miss
from golden_file import Golden
from golden_models import DENSE, compare_buffers, constructor_arguments, dense_config, load, present
from safetensors import safe_open
from torch import Tensor

from swinkit import InputError, SwinTransformer
from swinkit.detection.assigners import MatcherConfig
from swinkit.detection.box_head import sample_labels
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.detector import DetectorModel
from swinkit.detection.htc import FUSION_LEVEL, HTC
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.rcnn import RCNN, RCNNConfig, RCNNOutputs
from swinkit.detection.roi_head import StageConfig
from swinkit.detection.rpn import ProposalConfig, RPNConfig
from swinkit.detection.samplers import SamplerConfig
from swinkit.detection.soft_nms import Suppression
from swinkit.layers.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelNormalisation, pad_batch
from swinkit.ops.masks import paste_masks
from swinkit.ops.window_attention import AttentionBackend
from swinkit.structures import Detections, Instances

BOXES = 0.05
"""Pixels."""
SCORES = 1e-3
MASKS = 0.99
"""Least IoU of two masks."""
SMALL_MASK = 50
SMALL_MASK_PIXELS = 2
"""Of masks of fewer pixels, so many may differ: one is more than a hundredth of them (the files' README)."""

MODEL = dict.fromkeys(("type", "data_preprocessor", "backbone", "neck", "rpn_head", "roi_head")) | {
    "train_cfg": {},
    "test_cfg": {},
    "init_cfg": None,
}
PREPROCESSOR = {"type": "", "mean": IMAGENET_MEAN, "std": IMAGENET_STD, "bgr_to_rgb": False, "pad_size_divisor": 32}
PREPROCESSOR |= {"pad_mask": True, "pad_value": 0, "mask_pad_value": 0, "pad_seg": False, "seg_pad_value": 255}
NECK = {"type": "FPN", "in_channels": None, "out_channels": None, "num_outs": None, "start_level": 0, "end_level": -1}
NECK |= {"add_extra_convs": False, "norm_cfg": None, "act_cfg": None, "upsample_cfg": {"mode": "nearest"}}
ANCHORS = {"type": "AnchorGenerator", "scales": [8], "ratios": [0.5, 1.0, 2.0], "strides": None, "center_offset": 0.0}
CODER = {"type": "DeltaXYWHBBoxCoder", "target_means": [0.0] * 4, "target_stds": [1.0] * 4, "clip_border": True}
RPN = {"type": "RPNHead", "in_channels": None, "feat_channels": None, "anchor_generator": None, "bbox_coder": CODER}
RPN |= {"loss_cls": None, "loss_bbox": None, "num_convs": 1, "num_classes": 1}
ASSIGNER = {"type": "MaxIoUAssigner", "pos_iou_thr": None, "neg_iou_thr": None, "min_pos_iou": 0.0}
ASSIGNER |= {"match_low_quality": True, "ignore_iof_thr": -1, "gt_max_assign_all": True}
SAMPLER = {"type": "RandomSampler", "num": None, "pos_fraction": None, "neg_pos_ub": -1, "add_gt_as_proposals": True}
PROPOSALS = {"nms_pre": 1000, "max_per_img": 1000, "nms": None, "min_bbox_size": 0}
NMS = {"type": "nms", "iou_threshold": 0.5, "method": "linear", "sigma": 0.5, "min_score": 1e-3}
ROI = {"type": "RoIAlign", "output_size": 7, "sampling_ratio": 0, "aligned": True, "pool_mode": "avg"}
EXTRACTOR = {"type": "SingleRoIExtractor", "roi_layer": None, "out_channels": None, "featmap_strides": None}
EXTRACTOR |= {"finest_scale": 56}
BOX = {"type": "", "in_channels": 256, "fc_out_channels": 1024, "roi_feat_size": 7, "num_classes": 80}
BOX |= {"bbox_coder": CODER, "reg_class_agnostic": False, "reg_decoded_bbox": False, "loss_cls": None}
BOX |= {"loss_bbox": None, "num_shared_convs": 0, "num_shared_fcs": 0, "conv_out_channels": 256, "norm_cfg": None}
MASK = {"type": "FCNMaskHead", "num_convs": 4, "roi_feat_size": 14, "in_channels": 256, "conv_out_channels": 256}
MASK |= {"num_classes": 80, "class_agnostic": False, "loss_mask": None, "upsample_cfg": {"type": "deconv"}}
MASK |= {"with_conv_res": True}
SEMANTIC = {"type": "FusedSemanticHead", "num_ins": None, "fusion_level": None, "seg_scale_factor": 1 / 8}
SEMANTIC |= {"num_convs": 4, "in_channels": 256, "conv_out_channels": 256, "num_classes": 183, "loss_seg": None}
HYBRID = {"num_stages": 3, "stage_loss_weights": None, "bbox_roi_extractor": None, "bbox_head": None}
HYBRID |= {"mask_roi_extractor": None, "mask_head": None, "semantic_roi_extractor": None, "semantic_head": None}
HYBRID |= {"semantic_fusion": ("bbox", "mask"), "interleaved": True, "mask_info_flow": True, "type": None}
"""Arguments of mmdetection's constructors with their defaults."""


def check_detection(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    """Pyramid, proposals, every loss, gradients, detections and masks."""
    model = build_rcnn(golden.config, backend)
    lines = load(model, golden)
    backbone = model.backbone
    assert isinstance(backbone, SwinTransformer)
    lines += compare_buffers(backbone, golden, prefix="backbone.")
    count = sum(name.startswith("images.") for name in golden.stored)
    images = [golden.tensor(f"images.{number}") for number in range(count)]
    normalise_as(golden, model, images)
    batch, sizes = pad_batch(images)
    outputs = model(batch, sizes)
    lines += [
        compare_values(f"pyramid.{level}", x.detach(), golden.stored[f"pyramid.{level}"])
        for level, x in enumerate(outputs.maps)
        if f"pyramid.{level}" in golden.stored
    ]
    lines += _compare_semantic(golden, model, outputs) + _compare_proposals(golden, model, outputs)
    lines += _compare_losses(golden, model, model(batch, sizes, _targets(golden, model, count)), count)
    with torch.no_grad():
        return lines + compare_detections(golden, model, outputs) + _compare_mean_masks(golden, model, outputs)


def build_rcnn(config: dict[str, Any], backend: AttentionBackend) -> RCNN:
    config = constructor_arguments(config, MODEL)
    _check_preprocessor(config["data_preprocessor"] or {})
    given = {key: value for key, value in config["backbone"].items() if key not in ("type", "init_cfg")}
    arguments = constructor_arguments(given, DENSE)
    backbone = SwinTransformer(
        dense_config(arguments),
        attention_backend=backend,
        checkpoint_activations=bool(arguments["use_checkpoint"]),
    )
    detector, num_classes = _detector(config, backbone)
    return detector.build(backbone, num_classes).eval()


def _detector(config: dict[str, Any], backbone: SwinTransformer) -> tuple[RCNNConfig, int]:
    neck = constructor_arguments(config["neck"], NECK)
    rpn = constructor_arguments(config["rpn_head"], RPN)
    anchors = constructor_arguments(rpn["anchor_generator"], ANCHORS)
    roi, train, test = config["roi_head"], config["train_cfg"], config["test_cfg"]
    is_hybrid = roi["type"] == "HybridTaskCascadeRoIHead"
    is_cascade = is_hybrid or roi["type"] == "CascadeRoIHead"
    boxes = roi["bbox_head"] if is_cascade else [roi["bbox_head"]]
    heads = [_box_head(each) for each in boxes]
    head = heads[0]
    settings = train["rcnn"] if is_cascade else [train["rcnn"]]
    weights = roi["stage_loss_weights"] if is_cascade else [1.0]
    extractor = constructor_arguments(roi["bbox_roi_extractor"], EXTRACTOR)
    align = constructor_arguments(extractor["roi_layer"], ROI)
    has_masks = roi.get("mask_head") is not None
    mask_heads = roi.get("mask_head") if isinstance(roi.get("mask_head"), list) else [roi.get("mask_head")]
    masks = [constructor_arguments(each, MASK) for each in mask_heads] if has_masks else []
    mask_align = ROI | {"output_size": 14}
    if has_masks and roi.get("mask_roi_extractor"):
        reader = constructor_arguments(roi["mask_roi_extractor"], EXTRACTOR)
        mask_align = constructor_arguments(reader["roi_layer"], ROI)
    expected = list(backbone.strides) + [
        backbone.strides[-1] * 2 ** (level + 1) for level in range(neck["num_outs"] - len(backbone.strides))
    ]
    decoded = head["reg_decoded_bbox"]
    require(
        {
            "the neck's levels": neck["in_channels"] == list(backbone.channels) and not neck["add_extra_convs"],
            "anchors' strides": anchors["strides"] == expected and anchors["center_offset"] == 0,
            "regions' strides": extractor["featmap_strides"] == list(backbone.strides),
            "the width of the proposal network": rpn["feat_channels"] == rpn["in_channels"] == neck["out_channels"],
            "region align": all(a["sampling_ratio"] == 0 and a["aligned"] for a in (align, mask_align)),
            "the width of the heads": head["in_channels"] == neck["out_channels"],
            "heads that differ": all(
                {k: v for k, v in each.items() if k != "bbox_coder"}
                == {k: v for k, v in head.items() if k != "bbox_coder"}
                for each in heads
            ),
            "the width of box convolutions": not head["num_shared_convs"]
            or head["conv_out_channels"] == head["in_channels"],
            "the box loss": (head["loss_bbox"]["type"] == "GIoULoss") == bool(decoded)
            and head["loss_bbox"]["type"] in ("GIoULoss", "L1Loss", "SmoothL1Loss"),
            "the class losses": not head["loss_cls"].get("use_sigmoid") and rpn["loss_cls"].get("use_sigmoid"),
            "loss weights": rpn["loss_cls"].get("loss_weight", 1) == rpn["loss_bbox"].get("loss_weight", 1) == 1
            and head["loss_cls"].get("loss_weight", 1) == 1,
            "the proposal network's box loss": rpn["loss_bbox"]["type"] in ("L1Loss", "SmoothL1Loss"),
            "mask heads": all(
                m["conv_out_channels"] == m["in_channels"] == neck["out_channels"]
                and not m["class_agnostic"]
                and m["num_classes"] == head["num_classes"]
                for m in masks
            ),
            "the size of masks": all(s.get("mask_size", 28) == 2 * mask_align["output_size"] for s in settings)
            or not has_masks,
            "the threshold of masks": test["rcnn"].get("mask_thr_binary", 0.5) == 0.5,
        }
    )
    nms = constructor_arguments(test["rcnn"]["nms"], NMS)
    coder = constructor_arguments(rpn["bbox_coder"], CODER)
    kind = CascadeMaskRCNN if is_cascade else MaskRCNN
    detector = (HTC if is_hybrid else kind)(
        masks=has_masks,
        channels=neck["out_channels"],
        extra_levels=neck["num_outs"] - len(backbone.strides),
        rpn=RPNConfig(
            scales=tuple(float(scale) for scale in anchors["scales"]),
            ratios=tuple(anchors["ratios"]),
            stds=tuple(coder["target_stds"]),
            border=None if train["rpn"].get("allowed_border", -1) < 0 else float(train["rpn"]["allowed_border"]),
            beta=rpn["loss_bbox"].get("beta", 1.0) if rpn["loss_bbox"]["type"] == "SmoothL1Loss" else 0.0,
            matcher=_matcher(train["rpn"]["assigner"]),
            sampler=_sampler(train["rpn"]["sampler"]),
            training=_proposals(train["rpn_proposal"]),
            inference=_proposals(test["rpn"]),
        ),
        stages=tuple(
            StageConfig(
                stds=tuple(each["bbox_coder"]["target_stds"]),
                matcher=_matcher(setting["assigner"]),
                sampler=_sampler(setting["sampler"]),
                weight=float(weight),
            )
            for each, setting, weight in zip(heads, settings, weights, strict=True)
        ),
        roi_size=align["output_size"],
        finest_scale=extractor["finest_scale"],
        shared_convs=head["num_shared_convs"],
        shared_fcs=head["num_shared_fcs"],
        fc_channels=head["fc_out_channels"],
        decoded_regression=bool(decoded),
        box_weight=head["loss_bbox"].get("loss_weight", 1.0),
        box_beta=head["loss_bbox"].get("beta", 1.0) if head["loss_bbox"]["type"] == "SmoothL1Loss" else 0.0,
        conv_norm=is_normed(head),
        class_agnostic=head["reg_class_agnostic"],
        mask_roi_size=mask_align["output_size"],
        mask_convs=masks[0]["num_convs"] if masks else 4,
        score_threshold=test["rcnn"]["score_thr"],
        nms_iou=nms["iou_threshold"],
        suppression=suppression_of(nms),
        detections=test["rcnn"]["max_per_img"],
    )
    return _hybrid(detector, roi) if isinstance(detector, HTC) else detector, head["num_classes"]


def _hybrid(detector: HTC, roi: dict[str, Any]) -> HTC:
    """What HTC has beyond a cascade, as mmdetection 3 computes it: masks of the last stage, and the semantic loss as a
    mean over all cells."""
    values = constructor_arguments(roi, HYBRID)
    semantic = values["semantic_head"] and constructor_arguments(values["semantic_head"], SEMANTIC)
    if semantic:
        reader = constructor_arguments(values["semantic_roi_extractor"], EXTRACTOR)
        align = constructor_arguments(reader["roi_layer"], ROI)
        stride = reader["featmap_strides"][0]
        require(
            {
                "the semantic branch's level": semantic["fusion_level"] == FUSION_LEVEL
                and semantic["seg_scale_factor"] == 1 / stride
                and semantic["num_ins"] == 4 + detector.extra_levels,
                "the semantic branch's width": semantic["conv_out_channels"] == semantic["in_channels"],
                "how semantic features are read": align["output_size"] == detector.mask_roi_size
                and set(values["semantic_fusion"]) == {"bbox", "mask"},
                "ignored classes": semantic["loss_seg"].get("ignore_index", -100) == 255,
            }
        )
    flows = [head.get("with_conv_res", True) for head in values["mask_head"] or []]
    require({"the mask heads' flow": flows[1:] == [True] * len(flows[1:]) and not any(flows[:1])})
    require({"mask heads that hand nothing on": values["mask_info_flow"]})
    return replace(
        detector,
        interleaved=values["interleaved"],
        mask_ensemble="last",
        semantic_classes=semantic["num_classes"] if semantic else 0,
        semantic_convs=semantic["num_convs"] if semantic else 4,
        semantic_weight=semantic["loss_seg"].get("loss_weight", 1.0) if semantic else 0.2,
        semantic_mean="valid" if semantic and semantic["loss_seg"].get("avg_non_ignore") else "all",
    )


def is_normed(head: dict[str, Any]) -> bool:
    """Whether the box head's convolutions have batch norm."""
    return head["norm_cfg"] is not None and head["norm_cfg"]["type"] in ("BN", "SyncBN")


def _box_head(given: dict[str, Any]) -> dict[str, Any]:
    """A head's arguments; the short form for two fully connected layers written out."""
    if given["type"] == "Shared2FCBBoxHead":
        given = given | {"num_shared_fcs": 2}
    elif given["type"] == "Shared4Conv1FCBBoxHead":
        given = given | {"num_shared_convs": 4, "num_shared_fcs": 1}
    return constructor_arguments(given, BOX)


def _matcher(given: dict[str, Any]) -> MatcherConfig:
    values = constructor_arguments(given, ASSIGNER)
    require({"ignored objects": values["ignore_iof_thr"] == -1, "gt_max_assign_all": values["gt_max_assign_all"]})
    low = values["min_pos_iou"] if values["match_low_quality"] else None
    return MatcherConfig(values["pos_iou_thr"], values["neg_iou_thr"], low)


def _sampler(given: dict[str, Any]) -> SamplerConfig:
    values = constructor_arguments(given, SAMPLER)
    limit = None if values["neg_pos_ub"] < 0 else float(values["neg_pos_ub"])
    return SamplerConfig(values["num"], values["pos_fraction"], limit, values["add_gt_as_proposals"])


def _proposals(given: dict[str, Any]) -> ProposalConfig:
    values = constructor_arguments(given, PROPOSALS)
    nms = constructor_arguments(values["nms"], NMS)
    require({"soft-NMS of proposals": nms["type"] == "nms"})
    return ProposalConfig(values["nms_pre"], values["max_per_img"], nms["iou_threshold"], values["min_bbox_size"])


def suppression_of(given: dict[str, Any]) -> Suppression:
    """What `nms` of a test configuration says besides its IoU."""
    values = constructor_arguments(given, NMS)
    require({"the kind of suppression": values["type"] in ("nms", "soft_nms")})
    if values["type"] == "nms":
        return Suppression()
    return Suppression(values["method"], values["sigma"], values["min_score"])


def _check_preprocessor(given: dict[str, Any]) -> None:
    values = constructor_arguments(given, PREPROCESSOR)
    require(
        {
            "the normalisation": [*values["mean"], *values["std"]] == [*IMAGENET_MEAN, *IMAGENET_STD],
            "bgr_to_rgb": not values["bgr_to_rgb"],
            "padding": values["pad_size_divisor"] == 32 and values["pad_value"] == 0,
        }
    )


def normalise_as(golden: Golden, model: Any, images: list[Tensor]) -> None:
    """Normalise images as the file's were.

    The original models were put through half precision to round their weights, and mmdetection's models hold mean and
    standard deviation as buffers, which were rounded with them: 123.675 to 123.6875, and so on. With the exact numbers
    the pyramids of such files are off by 1e-3, with the rounded ones by 1e-6; whichever comes nearer is the file's.
    """
    finest = golden.stored.get("pyramid.0")
    if finest is None:
        return
    mean, std = (tuple(torch.tensor(triple).half().tolist()) for triple in (IMAGENET_MEAN, IMAGENET_STD))
    batch, sizes = pad_batch(images)

    @torch.no_grad()
    def far(normalise: PixelNormalisation) -> float:
        model.normalise = normalise
        return float((model(batch, sizes).maps[0] - finest).abs().max())

    model.normalise = min((PixelNormalisation(), PixelNormalisation(mean, std)), key=far)


def official_names(values: dict[str, Any], golden: Golden) -> dict[str, Any]:
    """Names of a detector of one stage as the file has them: without the number of the head."""
    if any(name.startswith("roi_head.bbox_head.0.") for name in golden.weights):
        return values
    return {re.sub(r"^(roi_head\.\w+_head)\.0\.", r"\1.", name): value for name, value in values.items()}


def require(wanted: dict[str, bool]) -> None:
    refused = [name for name, is_met in wanted.items() if not is_met]
    if refused:
        raise InputError(f"its config asks of the detector what swinkit does not have: {', '.join(refused)}")


def _compare_semantic(golden: Golden, model: RCNN, outputs: RCNNOutputs) -> list[Comparison]:
    """What the semantic branch says, where the file has it."""
    if model.roi_head.semantic_head is None:
        return []
    found = model.roi_head.semantic_head(outputs.maps)
    ours = {"semantic.logits": found.logits.detach(), "semantic.features": found.features.detach()}
    return [compare_values(name, value, golden.stored[name]) for name, value in present(golden, ours)]


def _compare_proposals(golden: Golden, model: RCNN, outputs: RCNNOutputs) -> list[Comparison]:
    lines = []
    found = model.rpn_head.proposals(outputs.rpn, outputs.sizes, model.config.rpn.inference)
    for image, ours in enumerate(found):
        if f"proposals.{image}.boxes" in golden.stored:
            lines += compare_boxes(golden, f"proposals.{image}", ours.boxes, ours.scores)[0]
    return lines


def compare_boxes(golden: Golden, name: str, boxes: Tensor, scores: Tensor) -> tuple[list[Comparison], Tensor]:
    """Boxes without class beside those stored under `name`, and which of ours is each of theirs."""
    stored = golden.tensor(f"{name}.boxes"), golden.tensor(f"{name}.scores")
    ours, theirs = (
        Detections(*pair, torch.zeros(len(pair[0]), dtype=torch.int64), None, (0, 0))
        for pair in ((boxes, scores), stored)
    )
    order = match_detections(ours, theirs)
    return _compare_matched(name, boxes, scores, theirs, order), order


def match_detections(ours: Detections, theirs: Detections) -> Tensor:
    """For each of theirs the number of ours that is the same detection: the nearest box of its label and nearly its
    score, so that near-ties may have swapped places; each of ours once. -1 where there is none."""
    taken = torch.zeros(len(ours.boxes), dtype=torch.bool)
    order = torch.full((len(theirs.boxes),), -1)
    for number in range(len(theirs.boxes)):
        distance = (ours.boxes - theirs.boxes[number]).abs().max(1).values
        wrong = (ours.labels != theirs.labels[number]) | taken
        wrong |= (ours.scores - theirs.scores[number]).abs() > SCORES
        distance = distance.masked_fill(wrong, float("inf"))
        if len(distance) and distance.min() <= 1.0:
            order[number] = distance.argmin()
            taken[order[number]] = True
    return order


def _compare_matched(name: str, boxes: Tensor, scores: Tensor, theirs: Detections, order: Tensor) -> list[Comparison]:
    if len(boxes) != len(theirs.boxes):
        return [
            miss(f"{name}.{part}", f"{len(boxes)}, the file has {len(theirs.boxes)}") for part in ("boxes", "scores")
        ]
    if (order < 0).any():
        lost = int((order < 0).sum())
        return [miss(f"{name}.{part}", f"{lost} have no counterpart") for part in ("boxes", "scores")]
    far = (boxes[order] - theirs.boxes).abs().max().item() if len(order) else 0.0
    apart = (scores[order] - theirs.scores).abs().max().item() if len(order) else 0.0
    return [Comparison(f"{name}.boxes", far, BOXES), Comparison(f"{name}.scores", apart, SCORES)]


def _targets(golden: Golden, model: RCNN, count: int) -> list[Instances]:
    return [
        Instances(
            golden.tensor(f"targets.{image}.boxes"),
            golden.tensor(f"targets.{image}.labels"),
            golden.tensor(f"targets.{image}.masks").bool() if model.has_masks else None,
            golden.stored[f"targets.{image}.semantic"][0] if f"targets.{image}.semantic" in golden.stored else None,
        )
        for image in range(count)
    ]


def _compare_losses(golden: Golden, model: RCNN, outputs: RCNNOutputs, count: int) -> list[Comparison]:
    targets = _targets(golden, model, count)
    losses = model.losses(outputs, targets)
    ours = {f"losses.{name}": value for name, value in losses.items()}
    lines = [
        compare_values(name, value.detach(), golden.stored[name])
        for name, value in ours.items()
        if name in golden.stored
    ]
    lines += [miss(name, "the file has no such loss") for name in ours if name not in golden.stored]
    accuracies = class_accuracies(model, outputs, targets)
    lines += [compare_values(name, value, golden.stored[name]) for name, value in present(golden, accuracies)]
    sum(losses.values()).backward()
    gradients = official_names({name: parameter.grad for name, parameter in model.named_parameters()}, golden)
    return lines + compare_gradients(golden, gradients) + [compare_trained(golden, gradients)]


@torch.no_grad()
def class_accuracies(model: RCNN, outputs: RCNNOutputs, targets: list[Instances]) -> dict[str, Tensor]:
    """Percent of each stage's samples whose class is right, which the original logs beside the losses."""
    accuracies = {}
    for number, stage in enumerate(outputs.stages):
        samples = zip(stage.samples or [], targets, strict=True)
        truth = torch.cat([sample_labels(s, t.labels, model.num_classes) for s, t in samples])
        name = f"losses.s{number}.acc" if model.config.names_stages else "losses.acc"
        accuracies[name] = 100 * (stage.box_outputs.logits.argmax(1) == truth).float().mean()
    return accuracies


def compare_detections(golden: Golden, model: DetectorModel, outputs: Any) -> list[Comparison]:
    meta = detection_meta(golden)
    sizes = [tuple(each["ori_shape"][:2]) for each in meta]
    scales = [tuple(each["scale_factor"][:2]) for each in meta]
    lines = []
    for image, ours in enumerate(model.postprocess(outputs, sizes, scales=scales)):
        if f"detections.{image}.boxes" in golden.stored:
            lines += compare_found(golden, f"detections.{image}", ours)[0]
    return lines


def compare_found(golden: Golden, name: str, ours: Detections) -> tuple[list[Comparison], Tensor]:
    """Detections beside those stored under `name`, and which of ours is each of theirs."""
    boxes, scores, labels = (golden.tensor(f"{name}.{part}") for part in ("boxes", "scores", "labels"))
    theirs = Detections(boxes, scores, labels, None, ours.size)
    order = match_detections(ours, theirs)
    lines = _compare_matched(name, ours.boxes, ours.scores, theirs, order)
    wrong = float((ours.labels[order] != labels).sum()) if len(ours.labels) == len(labels) else float("inf")
    lines.append(Comparison(f"{name}.labels", wrong, 0.0))
    if f"{name}.masks_packed" in golden.stored:
        lines.append(_compare_masks(f"{name}.masks_packed", ours, golden.stored[f"{name}.masks_packed"], order))
    return lines, order


def _compare_mean_masks(golden: Golden, model: RCNN, outputs: RCNNOutputs) -> list[Comparison]:
    """The masks as published, the mean of all stages, where the file has them beside the last stage's."""
    stored = [name for name in golden.stored if name.endswith(".masks_three_stages_packed")]
    if not stored or not isinstance(model.config, HTC):
        return []
    model.config = replace(model.config, mask_ensemble="mean")
    renamed = {
        name.replace("masks_three_stages_packed", "masks_packed") if name in stored else name: tensor
        for name, tensor in golden.stored.items()
        if not name.endswith(".masks_packed")
    }
    lines = compare_detections(replace(golden, stored=renamed), model, outputs)
    return [
        replace(line, name=line.name.replace("masks_packed", "masks_three_stages_packed"))
        for line in lines
        if line.name.endswith("masks_packed")
    ]


def _compare_masks(name: str, ours: Detections, packed: Tensor, order: Tensor) -> Comparison:
    """1 - the least IoU."""
    if ours.masks is None or len(order) != len(packed) or (order < 0).any():
        return miss(name, "no counterparts")
    theirs = np.unpackbits(packed.numpy(), axis=-1, count=ours.size[1]).astype(bool)
    masks = [mask.numpy() for mask in paste_masks(ours.masks[order], ours.boxes[order], ours.size)]
    worst = 1.0
    for mask, other in zip(masks, theirs, strict=True):
        union = (mask | other).sum()
        if other.sum() < SMALL_MASK and (mask ^ other).sum() <= SMALL_MASK_PIXELS:
            continue
        worst = min(worst, float((mask & other).sum() / union) if union else 1.0)
    return Comparison(name, 1 - worst, 1 - MASKS)


def detection_meta(golden: Golden) -> list[dict[str, Any]]:
    with safe_open(golden.path, framework="pt") as file:
        meta = json.loads((file.metadata() or {}).get("meta", "[]"))
    meta = meta.get("images") if isinstance(meta, dict) else meta
    if not isinstance(meta, list) or not meta:
        raise InputError("its metadata has no meta: scale_factor, ori_shape and img_shape of every image")
    return meta
