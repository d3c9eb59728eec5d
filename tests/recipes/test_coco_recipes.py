"""Every recipe of COCO against the published numbers, written down here a second time, apart from the recipes."""

from dataclasses import dataclass, replace

import pytest
import torch

from swinkit.backbone.swin import SwinTransformer
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import SWIN_B, SWIN_L, SWIN_T
from swinkit.detection.atss import ATSS
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.data.augmentation import DetectionAugmentation, DetectionResize
from swinkit.detection.data.instaboost import InstaBoost
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.recipes import RECIPES
from swinkit.recipes.rows import VARIANTS
from swinkit.training.schedules import Schedule
from swinkit.weights.catalogue import CATALOGUE

STEPS = 117_266 // 16
"""Of an epoch: COCO train2017 has 117,266 images with instances."""

ARCHITECTURES = {
    "t": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "s": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "b": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
}
WEIGHTS = {"t": "swin_tiny_patch4_window7_224", "s": "swin_small_patch4_window7_224"}
WEIGHTS |= {"b": "swin_base_patch4_window7_224"}


@dataclass(frozen=True)
class Published:
    """One line of the official README, or of table 2."""

    arch: str
    cascade: bool
    drop_path: float
    epochs: int = 36
    milestones: tuple[int, int] = (27, 33)
    crop: float = 0.5


ONE = {"epochs": 12, "milestones": (8, 11)}
CODE = {
    "coco_mask_rcnn_swin_t_1x": Published("t", False, 0.1, **ONE),
    "coco_mask_rcnn_swin_t_3x": Published("t", False, 0.2),
    "coco_mask_rcnn_swin_s_3x": Published("s", False, 0.2),
    "coco_cascade_swin_t_1x": Published("t", True, 0.0, **ONE),
    "coco_cascade_swin_t_3x": Published("t", True, 0.2),
    "coco_cascade_swin_s_3x": Published("s", True, 0.2),
    "coco_cascade_swin_b_3x": Published("b", True, 0.3),
}
# The paper's text: stochastic depth of 0.2 for all models, multi-scale training alone; 36 epochs of the cascade.
TEXT = {
    "coco_cascade_swin_t_3x_paper": Published("t", True, 0.2, crop=0.0),
    "coco_cascade_swin_s_3x_paper": Published("s", True, 0.2, crop=0.0),
    "coco_cascade_swin_b_3x_paper": Published("b", True, 0.2, crop=0.0),
}
# Table 9: the timm model.
ADAMW = {
    "coco_cascade_resnet50": "resnet50",
    "coco_cascade_resnext101_32x4d": "resnext101_32x4d",
    "coco_cascade_resnext101_64x4d": "resnext101_64x4d",
}
SGD = {
    "coco_cascade_resnet50_sgd": "resnet50",
    "coco_cascade_resnext101_32x4d_sgd": "resnext101_32x4d",
    "coco_cascade_resnext101_64x4d_sgd": "resnext101_64x4d",
}
# Table 2a: the detector and, of a Swin, its stages, or of a ResNet its strides.
FRAMEWORKS = {
    "coco_atss_swin_t_3x": (ATSS, (1, 2, 3)),
    "coco_atss_resnet50": (ATSS, (8, 16, 32)),
    "coco_reppoints_v2_swin_t_3x": (RepPointsV2, (1, 2, 3)),
    "coco_reppoints_v2_swin_t_3x_paper": (RepPointsV2, (1, 2, 3)),
    "coco_reppoints_v2_resnet50": (RepPointsV2, (8, 16, 32)),
    "coco_mask_reppoints_v2_swin_t_3x": (MaskRepPointsV2, (1, 2, 3)),
    "coco_sparse_rcnn_swin_t_3x": (SparseRCNN, None),
    "coco_sparse_rcnn_resnet50": (SparseRCNN, (4, 8, 16, 32)),
    "coco_sparse_rcnn_resnet50_authors": (SparseRCNN, (4, 8, 16, 32)),
}
HTCS = {
    "coco_htc_swin_t_3x": (SWIN_T, 36, (27, 33), 83_656_559),
    "coco_htc_swin_b_22k_6x": (SWIN_B, 72, (63, 69), 159_532_141),
    "coco_htc_swin_l_22k_6x": (SWIN_L, 72, (63, 69), 283_766_345),
    "coco_htc_swin_l_22k_3x": (SWIN_L, 36, (27, 33), 283_766_345),
}
"""Swin, epochs, where the rate falls, parameters."""
PUBLISHED = CODE | TEXT
COMPARED = ADAMW | SGD
CASES = [pytest.param(RECIPES[name](), expected, id=name) for name, expected in PUBLISHED.items()]
EVERY = [pytest.param(RECIPES[name](), id=name) for name in (*PUBLISHED, *COMPARED)]


def test_every_coco_recipe_is_in_the_table():
    made = {"coco_cascade_deit_s", *(f"coco_cascade_swin_t_{name}" for name in VARIANTS)}  # test_ablation_recipes
    assert {name for name in RECIPES if name.startswith("coco")} - made == {*PUBLISHED, *COMPARED, *FRAMEWORKS, *HTCS}


@pytest.mark.parametrize(("recipe", "expected"), CASES)
def test_backbone_and_start(recipe, expected):
    swin = recipe.backbone
    assert (swin.embed_dim, swin.depths, swin.num_heads) == ARCHITECTURES[expected.arch]
    assert swin.drop_path_rate == expected.drop_path
    assert (swin.window_size, swin.patch_size, swin.mlp_ratio, swin.in_channels) == (7, 4, 4.0, 3)
    assert (swin.relative_position_bias, swin.absolute_position_embedding) == (True, False)
    assert recipe.weights == WEIGHTS[expected.arch] and CATALOGUE[recipe.weights].trained_on == "ImageNet-1K"


@pytest.mark.parametrize(("recipe", "expected"), CASES)
def test_adamw_and_length(recipe, expected):
    optimizer = recipe.optimizer
    assert (optimizer.kind, optimizer.lr, optimizer.betas, optimizer.eps) == ("adamw", 1e-4, (0.9, 0.999), 1e-8)
    assert (optimizer.weight_decay, optimizer.no_decay, optimizer.reference_batch) == (0.05, "dense", None)
    assert recipe.loop.epochs == expected.epochs and recipe.schedule.milestones == expected.milestones


@pytest.mark.parametrize("recipe", EVERY)
def test_batch_and_precision(recipe):
    """Eight GPUs with two images each, mixed precision, no clipping."""
    loop = recipe.loop
    assert (loop.steps, loop.batch_size, loop.accumulate, loop.batch_of_process(8)) == (None, 16, 1, 2)
    assert (loop.precision, loop.clip_grad, loop.ema_decay, loop.compile) == ("fp16", None, None, False)
    assert (loop.evaluate_every, loop.evaluate_every_steps) == (1, None)


@pytest.mark.parametrize("recipe", EVERY)
def test_learning_rates(recipe):
    """mmcv's steps at the ends of epochs, and below 500 a linear warm-up that starts at a thousandth."""
    peak = recipe.optimizer.lr
    total = recipe.loop.total_steps(STEPS)
    schedule = Schedule(recipe.schedule, peak=peak, scale=1.0, epoch_steps=STEPS, total_steps=total)
    for step in (0, 1, 250, 499):
        assert schedule.lr(step) == pytest.approx(peak * (1 - (1 - step / 500) * (1 - 1e-3)), rel=1e-9)
    first, second = (8, 11) if recipe.loop.epochs == 12 else (27, 33)
    assert recipe.loop.epochs in (12, 36)
    for epoch, factor in ((first, 0.1), (second, 0.01)):
        assert schedule.lr(epoch * STEPS - 1) == pytest.approx(peak * factor * 10)
        assert schedule.lr(epoch * STEPS) == pytest.approx(peak * factor)
    assert schedule.lr(500) == pytest.approx(peak) and schedule.lr(total - 1) == pytest.approx(peak / 100)


@pytest.mark.parametrize("recipe", EVERY)
def test_augmentation(recipe):
    augmentation = recipe.augmentation
    assert isinstance(augmentation, DetectionAugmentation)
    assert augmentation.shorter_sides == (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)
    assert (augmentation.longest_side, augmentation.horizontal_flip) == (1333, 0.5)
    assert augmentation.sides_before_crop == (400, 500, 600) and augmentation.crop_range == (384, 600)
    expected = PUBLISHED.get(recipe.name)
    assert augmentation.crop_probability == (0.5 if expected is None else expected.crop)
    assert (recipe.resize.shorter_side, recipe.resize.longest_side) == (800, 1333)
    assert (recipe.dataset, recipe.data, recipe.masks, recipe.skip_empty) == ("coco", None, None, True)


@pytest.mark.parametrize("recipe", EVERY)
def test_proposals_and_what_both_detectors_share(recipe):
    config = recipe.detector
    rpn = config.rpn
    assert (config.channels, config.extra_levels, config.finest_scale, config.masks) == (256, 1, 56, True)
    assert (rpn.scales, rpn.ratios, rpn.stds) == ((8,), (0.5, 1.0, 2.0), (1, 1, 1, 1))
    assert (rpn.matcher.positive_iou, rpn.matcher.negative_iou, rpn.matcher.low_quality_iou) == (0.7, 0.3, 0.3)
    assert (rpn.sampler.count, rpn.sampler.positive_fraction, rpn.sampler.add_gt_proposals) == (256, 0.5, False)
    assert (rpn.inference.pre_nms, rpn.inference.post_nms, rpn.inference.nms_iou) == (1000, 1000, 0.7)
    assert (rpn.training.nms_iou, rpn.training.min_size, rpn.inference.min_size) == (0.7, 0, 0)
    assert (config.roi_size, config.mask_roi_size, config.mask_convs, config.fc_channels) == (7, 14, 4, 1024)
    assert (config.score_threshold, config.nms_iou, config.detections) == (0.05, 0.5, 100)
    for stage in config.stages:
        sampler = stage.sampler
        assert (sampler.count, sampler.positive_fraction, sampler.negatives_per_positive) == (512, 0.25, None)
        assert sampler.add_gt_proposals


@pytest.mark.parametrize("name", ["coco_mask_rcnn_swin_t_1x", "coco_mask_rcnn_swin_t_3x", "coco_mask_rcnn_swin_s_3x"])
def test_mask_rcnn(name):
    """L1 losses, two fully connected layers, one stage."""
    config = RECIPES[name]().detector
    assert type(config) is MaskRCNN and not config.decoded_regression and not config.class_agnostic
    assert (config.shared_convs, config.shared_fcs, config.box_weight) == (0, 2, 1)
    assert (config.rpn.beta, config.rpn.training.pre_nms, config.rpn.training.post_nms) == (0, 2000, 1000)
    assert config.rpn.border is None
    (stage,) = config.stages
    assert (stage.stds, stage.weight) == ((0.1, 0.1, 0.2, 0.2), 1)
    assert (stage.matcher.positive_iou, stage.matcher.negative_iou, stage.matcher.low_quality_iou) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("recipe", [case for case in EVERY if "cascade" in case.id])
def test_cascade(recipe):
    """Three stages, GIoU of weight 10 on decoded boxes of every class, four convolutions with batch norm."""
    config = recipe.detector
    assert type(config) is CascadeMaskRCNN and config.decoded_regression and not config.class_agnostic
    assert (config.shared_convs, config.shared_fcs, config.box_weight) == (4, 1, 10)
    assert config.rpn.beta == pytest.approx(1 / 9) and config.rpn.border == 0
    assert (config.rpn.training.pre_nms, config.rpn.training.post_nms) == (2000, 2000)
    stages = [(stage.matcher.positive_iou, stage.matcher.negative_iou, stage.weight) for stage in config.stages]
    assert stages == [(0.5, 0.5, 1), (0.6, 0.6, 0.5), (0.7, 0.7, 0.25)]
    assert [stage.matcher.low_quality_iou for stage in config.stages] == [None] * 3
    stds = [(0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067)]
    assert [stage.stds for stage in config.stages] == stds


@pytest.mark.parametrize("name", TEXT)
def test_paper_and_code_differ_in_two_values(name):
    code, text = RECIPES[name.removesuffix("_paper")](), RECIPES[name]()
    augmentation = replace(text.augmentation, crop_probability=0.5)
    backbone = replace(text.backbone, drop_path_rate=code.backbone.drop_path_rate)
    assert replace(text, name=code.name, backbone=backbone, augmentation=augmentation) == code


@pytest.mark.parametrize("name", COMPARED)
def test_resnets(name):
    """Table 9: everything but backbone and optimiser is as with Swin."""
    recipe, swin = RECIPES[name](), RECIPES["coco_cascade_swin_t_3x"]()
    frozen = TimmConfig(COMPARED[name], pretrained=True, frozen_batch_norm=True, frozen_stages=1)
    assert (recipe.backbone, recipe.weights) == (frozen, None)
    optimizer = recipe.optimizer
    if name in SGD:
        assert (optimizer.kind, optimizer.lr, optimizer.momentum) == ("sgd", 0.02, 0.9)
        assert (optimizer.weight_decay, optimizer.reference_batch) == (1e-4, None)
    else:
        assert optimizer == swin.optimizer
    same = {"name": swin.name, "backbone": swin.backbone, "weights": swin.weights, "optimizer": swin.optimizer}
    assert replace(recipe, **same) == swin


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_frameworks_of_table_2a(name):
    """Everything but detector, backbone and, of RepPoints v2, augmentation is as with Cascade Mask R-CNN."""
    recipe, cascade = RECIPES[name](), RECIPES["coco_cascade_swin_t_3x"]()
    detector, levels = FRAMEWORKS[name]
    assert recipe.detector == detector()
    if "resnet50" in name:
        frozen = TimmConfig("resnet50", levels, pretrained=True, frozen_batch_norm=True, frozen_stages=1)
        assert (recipe.backbone, recipe.weights) == (frozen, None)
    else:
        assert recipe.backbone == replace(cascade.backbone, out_stages=levels)
        assert recipe.weights == cascade.weights
    sides = range(480, 961 if "reppoints" in name and "paper" not in name else 801, 32)
    augmentation = DetectionAugmentation(tuple(sides), crop_probability=0.0 if "reppoints" in name else 0.5)
    if "mask" in name:
        augmentation = DetectionAugmentation(crop_probability=0.0, shorter_side_range=(480, 960))
    assert recipe.augmentation == augmentation
    if "authors" in name:
        optimizer, loop = recipe.optimizer, recipe.loop
        assert (optimizer.lr, optimizer.weight_decay, loop.clip_grad) == (2.5e-5, 1e-4, 1.0)
        recipe = replace(recipe, optimizer=cascade.optimizer, loop=cascade.loop)
    same = ("name", "backbone", "weights", "detector", "augmentation")
    assert replace(recipe, **{field: getattr(cascade, field) for field in same}) == cascade


@pytest.mark.parametrize("name", HTCS)
def test_htc_and_htc_plus_plus(name):
    """HTC is trained as Cascade Mask R-CNN; HTC++ has what section 4.2 says besides."""
    recipe, cascade = RECIPES[name](), RECIPES["coco_cascade_swin_t_3x"]()
    swin, epochs, milestones, parameters = HTCS[name]
    is_plus = "22k" in name
    assert recipe.backbone == replace(swin, drop_path_rate=0.2, global_block=is_plus)
    assert (recipe.loop.epochs, recipe.schedule.milestones) == (epochs, milestones)
    with torch.device("meta"):
        model = recipe.detector.build(recipe.backbone.build(), 80)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert (recipe.detector.suppression.method == "linear", recipe.detector.score_threshold) == (is_plus, 0.001)
    if is_plus:
        assert recipe.weights == f"swin_{'base' if swin is SWIN_B else 'large'}_patch4_window7_224_22k"
        wide = DetectionAugmentation(crop_probability=0.0, shorter_side_range=(400, 1400), longest_side=1600)
        assert recipe.augmentation == replace(wide, instaboost=InstaBoost())
        assert recipe.resize == DetectionResize(1400, 1600)
    else:
        assert (recipe.augmentation, recipe.weights, recipe.resize) == (
            cascade.augmentation,
            cascade.weights,
            cascade.resize,
        )
    assert recipe.optimizer == cascade.optimizer
    same = replace(recipe.loop, epochs=36), replace(recipe.schedule, milestones=(27, 33))
    assert same == (cascade.loop, cascade.schedule)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("coco_atss_swin_t_3x", 35_734_356),
        ("coco_reppoints_v2_swin_t_3x", 44_916_202),
        ("coco_mask_reppoints_v2_swin_t_3x", 46_829_231),
        ("coco_sparse_rcnn_swin_t_3x", 109_741_154),
        ("coco_mask_rcnn_swin_t_3x", 47_794_602),
        ("coco_mask_rcnn_swin_s_3x", 69_112_506),
        ("coco_cascade_swin_t_3x", 85_629_804),
        ("coco_cascade_swin_s_3x", 106_947_708),
        ("coco_cascade_swin_b_3x", 144_977_002),
    ],
)
def test_the_recipe_builds_the_published_model(name, parameters):
    recipe = RECIPES[name]()
    with torch.device("meta"):
        model = recipe.detector.build(SwinTransformer(recipe.backbone, attention_backend="reference"), 80)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.mark.parametrize(
    ("name", "millions"),
    [("coco_cascade_resnet50", 82), ("coco_cascade_resnext101_32x4d", 101), ("coco_cascade_resnext101_64x4d", 140)],
)
def test_resnets_are_as_large_as_in_table_2(name, millions):
    recipe = RECIPES[name]()
    with torch.device("meta"):
        model = recipe.detector.build(replace(recipe.backbone, pretrained=False).build(), 80)
    total = sum(parameter.numel() for parameter in model.parameters())
    assert total == pytest.approx(millions * 1e6, rel=0.01)
