"""Every recipe of ADE20K against the published numbers, written down here a second time, apart from the recipes."""

from dataclasses import dataclass, replace

import pytest
import torch

from swinkit.backbone.swin import SwinTransformer
from swinkit.backbone.timm import TimmConfig
from swinkit.recipes import RECIPES
from swinkit.recipes.rows import VARIANTS as ROWS
from swinkit.segmentation.inference import MULTI_SCALE
from swinkit.segmentation.model import UperNet
from swinkit.segmentation.recipe import SegmentationRecipe
from swinkit.training.schedules import Schedule
from swinkit.weights.catalogue import CATALOGUE

ARCHITECTURES = {
    "t": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "s": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "b": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
    "l": (192, (2, 2, 18, 2), (6, 12, 24, 48)),
}


@dataclass(frozen=True)
class Published:
    """One line of table 3 or of the official README."""

    arch: str
    weights: str
    drop_path: float = 0.3
    crop: int = 512
    longest: int = 2048


CODE = {
    "ade20k_swin_t": Published("t", "swin_tiny_patch4_window7_224"),
    "ade20k_swin_s": Published("s", "swin_small_patch4_window7_224"),
    "ade20k_swin_b": Published("b", "swin_base_patch4_window7_224"),
    "ade20k_swin_b_22k": Published("b", "swin_base_patch4_window7_224_22k", crop=640, longest=2560),
    "ade20k_swin_l_22k": Published("l", "swin_large_patch4_window7_224_22k", crop=640, longest=2560),
}
# Paper A2.3: stochastic depth of 0.2 for all models; the code has 0.3 for all.
TEXT = {
    f"{name}_paper": replace(CODE[name], drop_path=0.2)
    for name in ("ade20k_swin_t", "ade20k_swin_s", "ade20k_swin_b_22k", "ade20k_swin_l_22k")
}
PUBLISHED = CODE | TEXT
CASES = [pytest.param(RECIPES[name](), expected, id=name) for name, expected in PUBLISHED.items()]
EVERY = [pytest.param(RECIPES[name](), id=name) for name in (*PUBLISHED, "ade20k_resnet101")]


def test_every_ade20k_recipe_is_in_the_table():
    others = {
        "ade20k_resnet101",
        "ade20k_deit_s",
        "ade20k_swin_l_22k_trainval",
        *(f"ade20k_swin_t_{name}" for name in ROWS),
    }  # test_ablation_recipes
    assert {name for name in RECIPES if name.startswith("ade20k")} - others == set(PUBLISHED)


@pytest.mark.parametrize(("recipe", "expected"), CASES)
def test_backbone(recipe, expected):
    model = recipe.backbone
    assert (model.embed_dim, model.depths, model.num_heads) == ARCHITECTURES[expected.arch]
    assert model.drop_path_rate == expected.drop_path
    assert (model.window_size, model.patch_size, model.mlp_ratio, model.in_channels) == (7, 4, 4.0, 3)
    assert (model.patch_norm, model.qkv_bias, model.qk_scale) == (True, True, None)
    assert (model.relative_position_bias, model.absolute_position_embedding) == (True, False)
    assert (model.drop_rate, model.attn_drop_rate) == (0.0, 0.0)


@pytest.mark.parametrize(("recipe", "expected"), CASES)
def test_starting_weights(recipe, expected):
    assert recipe.weights == expected.weights
    entry = CATALOGUE[expected.weights]
    assert entry.variant == f"swin_{expected.arch}" and entry.task == "classification"
    assert entry.classes == (21841 if "22k" in recipe.name else 1000)


@pytest.mark.parametrize(("recipe", "expected"), CASES)
def test_optimiser(recipe, expected):
    optimizer = recipe.optimizer
    assert (optimizer.kind, optimizer.lr, optimizer.betas, optimizer.eps) == ("adamw", 6e-5, (0.9, 0.999), 1e-8)
    assert (optimizer.weight_decay, optimizer.no_decay, optimizer.reference_batch) == (0.01, "dense", None)


@pytest.mark.parametrize(("recipe", "expected"), CASES)
def test_sizes(recipe, expected):
    assert recipe.augmentation.crop_size == (expected.crop, expected.crop)
    assert sorted(recipe.augmentation.resize) == sorted(recipe.inference.resize) == [expected.crop, expected.longest]


@pytest.mark.parametrize("recipe", EVERY)
def test_length_and_batch(recipe):
    """Eight GPUs with two images each (the ResNet: four with four)."""
    loop = recipe.loop
    assert (loop.steps, loop.batch_size, loop.accumulate) == (160_000, 16, 1)
    assert (loop.precision, loop.clip_grad, loop.ema_decay, loop.compile) == ("fp32", None, None, False)
    assert loop.evaluate_every_steps == 16_000
    assert loop.total_steps(20_210 // 16) == 160_000
    assert (loop.batch_of_process(8), loop.batch_of_process(4)) == (2, 4)


@pytest.mark.parametrize("recipe", EVERY)
def test_head_and_losses(recipe):
    head = recipe.head
    assert (head.channels, head.pool_scales, head.dropout) == (512, (1, 2, 3, 6), 0.1)
    assert (head.auxiliary_channels, head.auxiliary_level, head.auxiliary_convs) == (256, 2, 1)
    assert recipe.auxiliary_weight == 0.4
    assert recipe.class_weights is None


@pytest.mark.parametrize("recipe", EVERY)
def test_augmentation(recipe):
    augmentation = recipe.augmentation
    assert (augmentation.ratio, augmentation.most_of_one_class) == ((0.5, 2.0), 0.75)
    assert (augmentation.horizontal_flip, augmentation.photometric) == (0.5, True)


@pytest.mark.parametrize("recipe", EVERY)
def test_data_and_evaluation(recipe):
    """Whole images at one scale; `--mode multi_scale` is the published --aug-test."""
    assert recipe.dataset == "folder" and recipe.data is None and recipe.reduce_zero_label
    inference = recipe.inference
    assert (inference.scales, inference.flip, inference.crop, inference.stride) == ((1.0,), False, None, None)
    assert MULTI_SCALE == (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


def rates(recipe: SegmentationRecipe) -> Schedule:
    """Built as the loop builds it, with ADE20K's 20,210 training images."""
    assert recipe.optimizer.reference_batch is None
    steps = recipe.loop.total_steps(20_210 // 16)
    return Schedule(recipe.schedule, peak=recipe.optimizer.lr, scale=1.0, epoch_steps=20_210 // 16, total_steps=steps)


@pytest.mark.parametrize(("recipe", "expected"), CASES)
def test_learning_rates(recipe, expected):
    """mmcv's poly of power 1 down to 0, and below 1500 a linear warm-up that starts at a millionth of it."""
    schedule = rates(recipe)
    for step in (0, 1, 750, 1499, 1500, 16_000, 80_000, 159_999):
        decayed = 6e-5 * (1 - step / 160_000)
        warm = 1 - (1 - step / 1500) * (1 - 1e-6) if step < 1500 else 1.0
        assert schedule.lr(step) == pytest.approx(decayed * warm, rel=1e-9), step
    assert schedule.lr(0) == pytest.approx(6e-11)
    assert schedule.lr(1500) == pytest.approx(5.94375e-5)
    assert schedule.lr(80_000) == pytest.approx(3e-5)


def test_learning_rates_of_resnet_101():
    """mmsegmentation's schedule_160k: SGD, poly of power 0.9 down to 1e-4, no warm-up."""
    recipe = RECIPES["ade20k_resnet101"]()
    optimizer = recipe.optimizer
    assert (optimizer.kind, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ("sgd", 0.01, 0.9, 5e-4)
    schedule = rates(recipe)
    for step in (0, 40_000, 159_999):
        expected = (0.01 - 1e-4) * (1 - step / 160_000) ** 0.9 + 1e-4
        assert schedule.lr(step) == pytest.approx(expected, rel=1e-9)
    assert recipe.backbone == TimmConfig("resnet101", pretrained=True) and recipe.weights is None


@pytest.mark.parametrize("name", TEXT)
def test_paper_and_code_differ_in_stochastic_depth_alone(name):
    code, text = RECIPES[name.removesuffix("_paper")](), RECIPES[name]()
    assert code.backbone.drop_path_rate == 0.3 and text.backbone.drop_path_rate == 0.2
    assert replace(text, name=code.name, backbone=replace(text.backbone, drop_path_rate=0.3)) == code


@pytest.mark.parametrize(("name", "parameters"), [("ade20k_swin_t", 59_941_862), ("ade20k_swin_l_22k", 233_759_936)])
def test_the_recipe_builds_the_published_model(name, parameters):
    recipe = RECIPES[name]()
    with torch.device("meta"):
        model = UperNet(SwinTransformer(recipe.backbone, attention_backend="reference"), recipe.head, num_classes=150)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_trainval_is_the_text_on_both_splits():
    recipe, text = RECIPES["ade20k_swin_l_22k_trainval"](), RECIPES["ade20k_swin_l_22k_paper"]()
    assert recipe.train_on_all and recipe == replace(text, name=recipe.name, train_on_all=True)
