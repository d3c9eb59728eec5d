"""Every published recipe as its loop runs it: the rates of its steps, and which parameters decay, by name.

What is expected is written down here a second time, in numbers and formulas apart from the recipes and the schedules.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from swinkit.backbone.swin import SwinTransformer
from swinkit.backbone.timm import TimmConfig
from swinkit.classification.data.mixing import Mixing
from swinkit.classification.model import SwinClassifier
from swinkit.errors import InputError
from swinkit.recipes import RECIPES
from swinkit.recipes.official_training import ClassificationTraining, DenseTraining
from swinkit.recipes.rows import VARIANTS
from swinkit.training.optimizers import build_optimizer
from swinkit.training.schedules import Schedule

IMAGENET_1K, IMAGENET_22K, COCO, ADE20K = 1_281_167, 14_197_103, 117_266, 20_210
"""Training images; of COCO those with instances."""


def cosine(peak: float, begin: float, end: float, *, warm: int, total: int, prefix: bool) -> Callable[[int], float]:
    """timm's CosineLRScheduler at step t, called after the step before: t - 1."""
    offset = warm if prefix else 0

    def rate(step: int) -> float:
        t = max(0, step - 1)
        if t < warm:
            return begin + t * (peak - begin) / warm
        return end + (peak - end) * (1 + math.cos(math.pi * (t - offset) / (total - offset))) / 2

    return rate


def linear(peak: float, begin: float, end: float, *, warm: int, total: int) -> Callable[[int], float]:
    """timm's LinearLRScheduler, likewise."""

    def rate(step: int) -> float:
        t = max(0, step - 1)
        return begin + t * (peak - begin) / warm if t < warm else peak - (peak - end) * (t - warm) / (total - warm)

    return rate


def multiplied(regular: Callable[[int], float], *, warm: int, ratio: float) -> Callable[[int], float]:
    """mmcv's linear warm-up of the regular rate, with no lag."""

    def rate(step: int) -> float:
        return regular(step) * (1 - (1 - step / warm) * (1 - ratio)) if step < warm else regular(step)

    return rate


def imagenet(name: str) -> tuple[Callable[[int], float], int, int]:
    """The rate of each step of a classification recipe, its steps in an epoch, and those of its warm-up."""
    is_22k = name.startswith("imagenet22k_swin")
    is_tuning = "finetune" in name or "_to_1k_" in name
    each = IMAGENET_22K // 4096 if is_22k else IMAGENET_1K // 1024
    if is_tuning and name.endswith("_paper"):
        return lambda step: 1e-5, each, 0
    if is_tuning:
        return cosine(4e-5, 4e-8, 4e-7, warm=5 * each, total=30 * each, prefix=True), each, 5 * each
    if is_22k and name.endswith("_paper"):
        return linear(1e-3, 1e-6, 1e-5, warm=5 * each, total=90 * each), each, 5 * each
    if is_22k:
        return cosine(1e-3, 1e-6, 1e-5, warm=5 * each, total=90 * each, prefix=True), each, 5 * each
    prefix = not name.endswith(("_paper", *VARIANTS))
    return cosine(1e-3, 1e-6, 1e-5, warm=20 * each, total=300 * each, prefix=prefix), each, 20 * each


def coco(name: str) -> tuple[Callable[[int], float], int, int]:
    each = COCO // 16
    peak = 0.02 if name.endswith("_sgd") else 2.5e-5 if name.endswith("_authors") else 1e-4
    first, second = (8, 11) if name.endswith("_1x") else (63, 69) if name.endswith("_6x") else (27, 33)

    def regular(step: int) -> float:
        return peak * (1 if step < first * each else 0.1 if step < second * each else 0.01)

    return multiplied(regular, warm=500, ratio=0.001), each, 500


def ade20k(name: str) -> tuple[Callable[[int], float], int, int]:
    each = ADE20K // 16
    if name == "ade20k_resnet101":
        return lambda step: (0.01 - 1e-4) * (1 - step / 160_000) ** 0.9 + 1e-4, each, 0
    return multiplied(lambda step: 6e-5 * (1 - step / 160_000), warm=1500, ratio=1e-6), each, 1500


EXPECTED = {"imagenet": imagenet, "coco": coco, "ade20k": ade20k}
PUBLISHED = [name for name in RECIPES if name.startswith(tuple(EXPECTED))]


@pytest.mark.parametrize("name", PUBLISHED)
def test_rates_of_every_published_recipe(name: str) -> None:
    recipe = RECIPES[name]()
    rate, each, warm = next(expected for start, expected in EXPECTED.items() if name.startswith(start))(name)
    schedule = Schedule.of(recipe.schedule, recipe.loop, recipe.optimizer, epoch_steps=each, epoch_batches=each)
    last = schedule.total_steps - 1
    assert last > warm + 2
    for step in (0, 1, 2, warm // 2, max(0, warm - 1), warm, warm + 1, last // 2, last - 1, last):
        assert schedule.lr(step) == pytest.approx(rate(step), rel=1e-9), step


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name.startswith("imagenet")])
def test_accumulation_changes_no_rate_and_no_batch(name: str) -> None:
    """The official code scales by the images of an update; a step is one here, in however many parts."""
    recipe = RECIPES[name]()
    parts = replace(recipe.loop, accumulate=4)
    one, four = (
        Schedule.of(recipe.schedule, loop, recipe.optimizer, epoch_steps=1251, epoch_batches=1251 * loop.accumulate)
        for loop in (recipe.loop, parts)
    )
    assert [four.lr(step) for step in range(0, 9000, 7)] == [one.lr(step) for step in range(0, 9000, 7)]
    assert parts.batch_of_process(8) * 8 * 4 == recipe.loop.batch_size


SCALED = {"batch_size": 32, "base_lr": 5e-4, "warmup_lr": 5e-7, "min_lr": 5e-6}


def test_accumulation_scales_all_three_rates() -> None:
    training = ClassificationTraining(**SCALED, accumulation_steps=3, epochs=9, warmup_epochs=2).settings(processes=2)
    schedule = Schedule.of(training.schedule, training.loop, training.optimizer, epoch_steps=10, epoch_batches=30)
    scale = 32 * 2 * 3 / 512
    assert (training.loop.batch_size, training.loop.accumulate) == (192, 3)
    assert schedule.lr(0) == schedule.lr(1) == pytest.approx(5e-7 * scale)
    assert schedule.lr(21) == schedule.peak == pytest.approx(5e-4 * scale)
    assert schedule.lr(10**6) == pytest.approx(5e-6 * scale)


def test_left_over_parts_of_an_epoch_are_counted() -> None:
    """Five micro-steps, two an update: the official step_update gets 0 1 3 4 5 6, each for the update after."""
    training = ClassificationTraining(**SCALED, accumulation_steps=2, epochs=3, warmup_epochs=3).settings(processes=1)
    schedule = Schedule.of(training.schedule, training.loop, training.optimizer, epoch_steps=2, epoch_batches=5)
    begin, peak = 5e-7 / 8, 5e-4 / 8
    numbers = [(schedule.lr(step) - begin) / (peak - begin) * 6 for step in range(6)]
    assert numbers == pytest.approx([0, 0, 1, 3, 4, 5])


def test_words_of_the_classification_code() -> None:
    training = ClassificationTraining(
        lr_scheduler_name="multistep", lr_scheduler_multisteps=(10, 20), lr_scheduler_gamma=0.3, optimizer_name="sgd"
    )
    schedule, optimizer = training.settings(8).schedule, training.settings(8).optimizer
    assert (schedule.decay, schedule.milestones, schedule.gamma, schedule.min_lr) == ("step", (10, 20), 0.3, 0)
    assert (optimizer.kind, optimizer.momentum, optimizer.nesterov) == ("sgd", 0.9, True)
    repeated = replace(training, lr_scheduler_name="step", epochs=100).settings(8).schedule
    assert (repeated.milestones, repeated.gamma) == ((30, 60, 90), 0.1)
    assert replace(training, mixup=0.0).mixing() == Mixing(mixup_alpha=0.0)


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        (DenseTraining(policy="poly", max_iters=10), "give by_epoch False"),
        (DenseTraining(policy="poly", by_epoch=False), "and max_iters"),
        (DenseTraining(by_epoch=False), "the number of steps in an epoch"),
    ],
)
def test_what_the_loop_cannot_do_is_one_sentence(training: DenseTraining, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        training.settings()


# Which parameters decay. Of both Swins, what is left out of the patterns does not.
CLASSIFIER = (
    r"patch_embed\.proj\.weight",
    r"layers\.\d\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])\.weight",
    r"layers\.\d\.downsample\.reduction\.weight",
    r"head\.weight",
)
BACKBONE = (
    r"backbone\.patch_embed\.proj\.(weight|bias)",
    r"backbone\.layers\.\d\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])\.(weight|bias)",
    r"backbone\.layers\.\d\.downsample\.reduction\.weight",
    r"backbone\.global_block\.(attn\.(qkv|proj)|mlp\.fc[12])\.(weight|bias)",
)
# Outside the backbone all decays: biases, batch norms `bn`, group norms `gn`, fusion weights, learned scales, and
# layer norms that are a number in a list. Only Sparse R-CNN has norms of that name.
SPARSE_NORMS = (
    r"roi_head\.bbox_head\.\d\.(attention_norm|ffn_norm|instance_interactive_conv_norm)\.(weight|bias)",
    r"roi_head\.bbox_head\.\d\.instance_interactive_conv\.(fc_norm|norm_in|norm_out)\.(weight|bias)",
)


def decayed(model: nn.Module, recipe: Any) -> tuple[set[str], set[str]]:
    """Names with the recipe's weight decay and names without any, off the optimizer itself."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = build_optimizer(model, recipe.optimizer, lr=1.0).param_groups
    assert {group["weight_decay"] for group in groups} <= {recipe.optimizer.weight_decay, 0.0}
    with_decay, without = (
        {names[id(each)] for group in groups if bool(group["weight_decay"]) is has for each in group["params"]}
        for has in (True, False)
    )
    return with_decay, without


def matching(model: nn.Module, patterns: tuple[str, ...]) -> set[str]:
    return {name for name, _ in model.named_parameters() if any(re.fullmatch(p, name) for p in patterns)}


@pytest.mark.parametrize("name", ["imagenet1k_swin_t", "imagenet1k_swin_s", "imagenet1k_swin_b", "imagenet22k_swin_l"])
def test_what_decays_in_classification(name: str) -> None:
    recipe = RECIPES[name]()
    with torch.device("meta"):
        model = SwinClassifier(recipe.backbone, num_classes=10)
    with_decay, without = decayed(model, recipe)
    blocks = sum(recipe.backbone.depths)
    assert with_decay == matching(model, CLASSIFIER) and len(with_decay) == 4 * blocks + 3 + 2
    assert without == {parameter for parameter, _ in model.named_parameters()} - with_decay
    assert len(without) == 9 * blocks + 3 + 2 * 3 + 3


def dense_model(recipe: Any) -> nn.Module:
    with torch.device("meta"):
        if isinstance(recipe.backbone, TimmConfig):
            backbone: Any = replace(recipe.backbone, pretrained=False).build()
        else:
            backbone = SwinTransformer(recipe.backbone, attention_backend="reference")
        head = recipe.detector if hasattr(recipe, "detector") else recipe.head
        return head.build(backbone, 20)


SWINS = [name for name in PUBLISHED if name.startswith(("coco", "ade20k")) and "_swin_" in name]


@pytest.mark.parametrize("name", [name for name in SWINS if not name.endswith("_paper")])
def test_what_decays_in_detection_and_segmentation(name: str) -> None:
    recipe = RECIPES[name]()
    model = dense_model(recipe)
    with_decay, without = decayed(model, recipe)
    everything = {parameter for parameter, _ in model.named_parameters()}
    outside = {parameter for parameter in everything if not parameter.startswith("backbone.")}
    norms = matching(model, SPARSE_NORMS)
    assert bool(norms) == ("sparse" in name)
    assert with_decay == matching(model, BACKBONE) | (outside - norms)
    assert without == everything - with_decay


@pytest.mark.parametrize("name", [name for name in PUBLISHED if "_resne" in name and "_swin_" not in name])
def test_what_decays_with_a_resnet(name: str) -> None:
    """No part of a ResNet has a name with `norm`: what is trained decays."""
    recipe = RECIPES[name]()
    model = dense_model(recipe)
    with_decay, without = decayed(model, recipe)
    trained = {parameter for parameter, value in model.named_parameters() if value.requires_grad}
    assert without == matching(model, SPARSE_NORMS) and with_decay == trained - without
