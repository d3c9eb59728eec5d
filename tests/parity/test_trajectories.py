"""Whole training runs: the loop makes those of our own files, and every value of how they were trained counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import check_goldens
import pytest
from golden_trajectory_writer import write_classification_run, write_detection_run, write_segmentation_run
from safetensors import safe_open
from test_goldens import edited

from swinkit.recipes.official_training import ClassificationTraining

SMALL = {"img_size": 16, "patch_size": 2, "window_size": 4, "depths": [2, 1], "num_heads": [1, 2], "embed_dim": 8}
SMALL |= {"num_classes": 5, "drop_path_rate": 0.0}
RATES = {"BASE_LR": 0.25, "WARMUP_LR": 0.025, "MIN_LR": 0.01}
CLASSIFIERS: dict[str, dict[str, Any]] = {
    "three_parts_and_two_left_over": {"hard": False, "micro_steps": 8}
    | {"train": RATES | {"EPOCHS": 4, "WARMUP_EPOCHS": 1, "ACCUMULATION_STEPS": 3, "CLIP_GRAD": 0.5}},
    "hard_labels_old_cosine": {"hard": True, "micro_steps": 3}
    | {"train": RATES | {"EPOCHS": 4, "WARMUP_EPOCHS": 2, "LR_SCHEDULER.WARMUP_PREFIX": False, "CLIP_GRAD": None}},
    "no_smoothing_milestones_no_warm_up": {"hard": True, "micro_steps": 3, "smoothing": 0.0}
    | {"train": RATES | {"EPOCHS": 4, "WARMUP_EPOCHS": 0, "LR_SCHEDULER.NAME": "multistep"}}
    | {"more": {"LR_SCHEDULER.MULTISTEPS": [1, 3], "LR_SCHEDULER.GAMMA": 0.3}},
    "linear_and_a_position_embedding": {"hard": False, "micro_steps": 4, "config": {"ape": True, "patch_norm": False}}
    | {"train": RATES | {"EPOCHS": 2, "WARMUP_EPOCHS": 1, "LR_SCHEDULER.NAME": "linear", "WEIGHT_DECAY": 0.3}},
    "steps_and_sgd": {"hard": True, "micro_steps": 4}
    | {"train": RATES | {"EPOCHS": 4, "WARMUP_EPOCHS": 1, "LR_SCHEDULER.NAME": "step", "OPTIMIZER.NAME": "sgd"}}
    | {"more": {"LR_SCHEDULER.DECAY_EPOCHS": 2, "LR_SCHEDULER.DECAY_RATE": 0.5, "ACCUMULATION_STEPS": 2}},
    "other_betas": {"hard": False, "micro_steps": 6}
    | {"train": RATES | {"EPOCHS": 1, "WARMUP_EPOCHS": 0, "OPTIMIZER.BETAS": [0.8, 0.98], "OPTIMIZER.EPS": 1e-5}},
}
ADAMW = {"type": "AdamW", "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.05}
ADAMW |= {"no_decay_names": ["absolute_pos_embed", "relative_position_bias_table", "norm"]}
STEP = {"policy": "step", "step": [2, 3], "warmup": "linear", "warmup_iters": 3, "warmup_ratio": 0.01}
POLY = {"policy": "poly", "power": 0.9, "min_lr": 1e-4, "by_epoch": False, "warmup": "linear"}
POLY |= {"warmup_iters": 3, "warmup_ratio": 0.1}
DETECTORS: dict[str, dict[str, Any]] = {
    "milestones": {"optimizer": ADAMW, "lr_config": STEP, "grad_clip": None, "updates_per_epoch": 2},
    "milestones_in_iterations_and_a_floor": {"optimizer": ADAMW | {"no_decay_names": ["norm", "bias"]}}
    | {"lr_config": STEP | {"by_epoch": False, "step": [3, 5], "gamma": 0.2, "min_lr": 1e-4}}
    | {"grad_clip": {"max_norm": 0.5, "norm_type": 2}, "updates_per_epoch": 4},
    "sgd_that_decays_all": {"optimizer": {"type": "SGD", "lr": 1e-3, "momentum": 0.8, "weight_decay": 0.1}}
    | {"lr_config": {"policy": "fixed"}, "updates_per_epoch": 3},
}
DETECTORS["sgd_that_decays_all"]["optimizer"]["no_decay_names"] = []
SEGMENTORS: dict[str, dict[str, Any]] = {
    "poly": {"optimizer": ADAMW | {"weight_decay": 0.3}, "lr_config": POLY, "max_iters": 6, "updates_per_epoch": 6},
    "cut_short": {"optimizer": ADAMW, "lr_config": POLY | {"power": 1.0, "min_lr": 0.0}, "max_iters": 40}
    | {"updates_per_epoch": 3},
}
BACKBONE = {"type": "ForkSwin", "embed_dim": 4, "depths": [1, 2, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4}
BACKBONE |= {"drop_path_rate": 0.0}
NMS = {"type": "nms", "iou_threshold": 0.7}
ALL = {"type": "RandomSampler", "num": 10**6, "pos_fraction": 0.5, "neg_pos_ub": -1}
PROPOSALS = {"nms_pre": 40, "max_per_img": 20, "nms": NMS, "min_bbox_size": 0}
ALIGN = {"type": "SingleRoIExtractor", "out_channels": 8, "featmap_strides": [4, 8, 16, 32]}
MASK_RCNN: dict[str, Any] = {
    "type": "MaskRCNN",
    "data_preprocessor": {"type": "DetDataPreprocessor"},
    "backbone": BACKBONE,
    "neck": {"type": "FPN", "in_channels": [4, 8, 16, 32], "out_channels": 8, "num_outs": 5},
    "rpn_head": {"type": "RPNHead", "in_channels": 8, "feat_channels": 8}
    | {"anchor_generator": {"type": "AnchorGenerator", "scales": [8], "strides": [4, 8, 16, 32, 64]}}
    | {"loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": True}, "loss_bbox": {"type": "L1Loss"}},
    "roi_head": {
        "type": "StandardRoIHead",
        "bbox_roi_extractor": ALIGN | {"roi_layer": {"type": "RoIAlign", "output_size": 7}},
        "mask_roi_extractor": ALIGN | {"roi_layer": {"type": "RoIAlign", "output_size": 14}},
        "bbox_head": {"type": "Shared2FCBBoxHead", "in_channels": 8, "fc_out_channels": 16, "num_classes": 5}
        | {"loss_cls": {"type": "CrossEntropyLoss"}, "loss_bbox": {"type": "L1Loss"}}
        | {"bbox_coder": {"type": "DeltaXYWHBBoxCoder", "target_stds": [0.1, 0.1, 0.2, 0.2]}},
        "mask_head": {"type": "FCNMaskHead", "in_channels": 8, "conv_out_channels": 8, "num_classes": 5},
    },
    "train_cfg": {
        "rpn": {"assigner": {"pos_iou_thr": 0.7, "neg_iou_thr": 0.3, "min_pos_iou": 0.3}}
        | {"sampler": ALL | {"add_gt_as_proposals": False}, "allowed_border": -1},
        "rpn_proposal": PROPOSALS,
        "rcnn": {"assigner": {"pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "min_pos_iou": 0.5}, "sampler": ALL}
        | {"mask_size": 28},
    },
    "test_cfg": {"rpn": PROPOSALS, "rcnn": {"score_thr": 0.05, "nms": NMS, "max_per_img": 10}},
}
HEAD = {"dropout_ratio": 0.0, "num_classes": 3, "align_corners": False, "norm_cfg": {"type": "BN"}}
UPERNET: dict[str, Any] = {
    "type": "EncoderDecoder",
    "data_preprocessor": {"type": "SegDataPreProcessor"},
    "backbone": BACKBONE,
    "decode_head": HEAD
    | {"type": "UPerHead", "in_channels": [4, 8, 16, 32], "in_index": [0, 1, 2, 3], "channels": 8}
    | {"loss_decode": {"type": "CrossEntropyLoss", "loss_weight": 1.0}},
    "auxiliary_head": HEAD
    | {"type": "FCNHead", "in_channels": 16, "in_index": 2, "channels": 8, "num_convs": 1, "concat_input": False}
    | {"loss_decode": {"type": "CrossEntropyLoss", "loss_weight": 0.4}},
}


def write_classifier(folder: Path, name: str) -> Path:
    case = dict(CLASSIFIERS[name])
    config, train = SMALL | case.pop("config", {}), case.pop("train") | case.pop("more", {})
    return write_classification_run(folder / f"trajectory_{name}.safetensors", config, train, **case)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classifier(tmp_path_factory.mktemp("runs"), "three_parts_and_two_left_over")


@pytest.fixture(scope="module")
def segmentor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "trajectory_poly.safetensors"
    return write_segmentation_run(path, UPERNET, SEGMENTORS["poly"], updates=6)


def told(path: Path, target: Path, key: str, change: Callable[[Any], Any]) -> Path:
    """A copy of a file whose metadata say something else."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    return edited(path, target, metadata=metadata | {key: json.dumps(change(json.loads(metadata[key])))})


def check(path: Path) -> int:
    return check_goldens.main([str(path), "--attention", "sdpa"])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_runs_of_the_official_classification_loop(tmp_path: Path, name: str) -> None:
    assert check(write_classifier(tmp_path, name)) == 0


@pytest.mark.parametrize("name", DETECTORS)
def test_runs_of_mmdetection(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"trajectory_{name}.safetensors"
    assert check(write_detection_run(path, MASK_RCNN, DETECTORS[name], updates=7)) == 0


@pytest.mark.parametrize("name", SEGMENTORS)
def test_runs_of_mmsegmentation(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"trajectory_{name}.safetensors"
    assert check(write_segmentation_run(path, UPERNET, SEGMENTORS[name], updates=6)) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "other",
    [
        {"TRAIN.CLIP_GRAD": 5.0},
        {"TRAIN.WEIGHT_DECAY": 0.04},
        {"TRAIN.BASE_LR": 0.26},
        {"TRAIN.WARMUP_LR": 0.024},
        {"TRAIN.MIN_LR": 0.0},
        {"TRAIN.EPOCHS": 5},
        {"TRAIN.WARMUP_EPOCHS": 2},
        {"TRAIN.LR_SCHEDULER.WARMUP_PREFIX": False},
        {"TRAIN.OPTIMIZER.EPS": 1e-6},
        {"TRAIN.OPTIMIZER.BETAS": [0.9, 0.99]},
        {"DATA.BATCH_SIZE": 3},
    ],
)
def test_every_value_of_the_classification_code_counts(classifier: Path, tmp_path: Path, other: dict[str, Any]) -> None:
    assert check(told(classifier, tmp_path / classifier.name, "official", lambda official: official | other)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("optimizer", {"weight_decay": 0.2}),
        ("optimizer", {"no_decay_names": ["norm"]}),
        ("optimizer", {"no_decay_names": []}),
        ("optimizer", {"lr": 1.1e-3}),
        ("optimizer", {"eps": 1e-6}),
        ("lr_config", {"warmup_iters": 2}),
        ("lr_config", {"warmup_ratio": 0.09}),
        ("lr_config", {"power": 1.0}),
        ("lr_config", {"min_lr": 0.0}),
    ],
)
def test_every_value_of_mmcv_counts(segmentor: Path, tmp_path: Path, part: str, other: dict[str, Any]) -> None:
    def change(recipe: dict[str, Any]) -> dict[str, Any]:
        return recipe | {part: recipe[part] | other}

    assert check(told(segmentor, tmp_path / segmentor.name, "recipe", change)) == 1


def test_a_rate_set_before_the_step_is_a_miss(classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = ClassificationTraining._schedule
    monkeypatch.setattr(ClassificationTraining, "_schedule", lambda self: replace(original(self), set_after_step=False))
    assert check(classifier) == 1


@pytest.mark.parametrize(
    "name",
    [
        *("losses", "micro_losses", "gradient_norm", "learning_rates", "parameter_gradient_norms"),
        *("after.1.head.weight", "after.8.norm.bias", "after.8.layers.0.blocks.0.attn.qkv.bias"),
    ],
)
def test_every_stored_number_of_a_classification_run_counts(
    classifier: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert changed_and_missed(classifier, tmp_path, name, capsys) == {name}


@pytest.mark.parametrize(
    "name",
    [
        *("losses.aux.loss_ce", "after.6.backbone.norm3.bias", "after.6.decode_head.bottleneck.bn.running_var"),
        *("after.1.decode_head.bottleneck.bn.num_batches_tracked", "after.1.backbone.patch_embed.proj.weight"),
    ],
)
def test_every_stored_number_of_a_segmentation_run_counts(
    segmentor: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert changed_and_missed(segmentor, tmp_path, name, capsys) == {name}


def changed_and_missed(path: Path, folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The tensors that are missed, those of the whole model aside, in a copy of a file with one number changed."""
    with safe_open(path, framework="pt") as file:
        stored = file.get_tensor(name)
    stored.view(-1)[0] += 0.1 * stored.abs().max() if stored.is_floating_point() else 1
    assert check(edited(path, folder / path.name, changes={name: stored})) == 1
    missed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if "MISS" in line}
    return missed - {f"after.{number}" for number in range(9)}


@pytest.mark.parametrize(
    ("key", "other", "sentence"),
    [
        ("recipe", {"lr_config": {"policy": "poly", "power": 1.0, "by_epoch": True}}, "give by_epoch False"),
        ("recipe", {"lr_config": POLY | {"warmup": "exp"}}, "its warm-up is not linear"),
        ("recipe", {"lr_config": POLY | {"cycles": 2}}, "its recipe has cycles"),
    ],
)
def test_a_run_that_the_loop_cannot_make_is_one_sentence(
    segmentor: Path, tmp_path: Path, key: str, other: dict[str, Any], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(told(segmentor, tmp_path / segmentor.name, key, lambda value: value | other)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
