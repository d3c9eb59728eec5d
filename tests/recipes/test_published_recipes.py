"""Every recipe of ImageNet against the published numbers, written down here a second time, apart from the recipes."""

from dataclasses import dataclass, replace

import pytest

from swinkit.classification.data.augmentation import TrainAugmentation
from swinkit.classification.data.mixing import Mixing
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.data.rand_augment import RandAugment
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.recipes import RECIPES
from swinkit.recipes.rows import VARIANTS
from swinkit.training.schedules import Schedule
from swinkit.weights.catalogue import CATALOGUE

# Table 7 of the paper: width, depths, heads.
ARCHITECTURES = {
    "t": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "s": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "b": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
    "l": (192, (2, 2, 18, 2), (6, 12, 24, 48)),
}


@dataclass(frozen=True)
class Published:
    """One line of the published tables. Rates are those reached in the run, at `batch` images a step."""

    arch: str
    drop_path: float
    peak: float
    decay: str = "cosine"
    epochs: int = 300
    warmup: int = 20
    warmup_lr: float = 1e-6
    min_lr: float = 1e-5
    weight_decay: float = 0.05
    batch: int = 1024
    clip: float = 5.0
    prefix: bool = True
    size: int = 224
    window: int = 7
    shorter_side: int | None = 256
    weights: str | None = None


# config.py: BASE_LR 5e-4, WARMUP_LR 5e-7, MIN_LR 5e-6, each times 1024 / 512.
SCRATCH = Published("t", 0.2, peak=1e-3)
# configs/swin/*_finetune.yaml: 2e-5, 2e-8, 2e-7, each times 1024 / 512.
TUNED = replace(SCRATCH, peak=4e-5, epochs=30, warmup=5, warmup_lr=4e-8, min_lr=4e-7, weight_decay=1e-8, drop_path=0.2)
AT_384 = replace(TUNED, size=384, window=12, shorter_side=None)
# configs/swin/*_22k.yaml: 1.25e-4, 1.25e-7, 1.25e-6, each times 4096 / 512.
PRETRAINED = replace(SCRATCH, epochs=90, warmup=5, warmup_lr=1e-6, min_lr=1e-5, batch=4096, drop_path=0.2)

CODE = {
    "imagenet1k_swin_t": SCRATCH,
    "imagenet1k_swin_s": replace(SCRATCH, arch="s", drop_path=0.3),
    "imagenet1k_swin_b": replace(SCRATCH, arch="b", drop_path=0.5),
    "imagenet1k_swin_b_384_finetune": replace(AT_384, arch="b", drop_path=0.5, weights="swin_base_patch4_window7_224"),
    "imagenet22k_swin_t": replace(PRETRAINED, drop_path=0.1),
    "imagenet22k_swin_s": replace(PRETRAINED, arch="s"),
    "imagenet22k_swin_b": replace(PRETRAINED, arch="b"),
    "imagenet22k_swin_l": replace(PRETRAINED, arch="l"),
    "imagenet22k_to_1k_swin_t": replace(TUNED, drop_path=0.1, weights="swin_tiny_patch4_window7_224_22k"),
    "imagenet22k_to_1k_swin_s": replace(TUNED, arch="s", weights="swin_small_patch4_window7_224_22k"),
    "imagenet22k_to_1k_swin_b": replace(TUNED, arch="b", weights="swin_base_patch4_window7_224_22k"),
    "imagenet22k_to_1k_swin_l": replace(TUNED, arch="l", weights="swin_large_patch4_window7_224_22k"),
    "imagenet22k_to_1k_swin_b_384": replace(AT_384, arch="b", weights="swin_base_patch4_window12_384_22k"),
    "imagenet22k_to_1k_swin_l_384": replace(AT_384, arch="l", weights="swin_large_patch4_window12_384_22k"),
}

# Paper A2.1: clipping at 1; linear decay and weight decay 0.01 on ImageNet-22K; constant 1e-5 in fine-tuning.
TEXT_SCRATCH = {"clip": 1.0, "prefix": False}
TEXT_TUNED = {"clip": 1.0, "decay": "constant", "peak": 1e-5, "warmup": 0, "warmup_lr": 1e-5, "min_lr": 1e-5}
TEXT_22K = {"clip": 1.0, "decay": "linear", "weight_decay": 0.01}
TEXT = {
    "imagenet1k_swin_t_paper": replace(CODE["imagenet1k_swin_t"], **TEXT_SCRATCH),
    "imagenet1k_swin_s_paper": replace(CODE["imagenet1k_swin_s"], **TEXT_SCRATCH),
    "imagenet1k_swin_b_paper": replace(CODE["imagenet1k_swin_b"], **TEXT_SCRATCH),
    "imagenet1k_swin_b_384_finetune_paper": replace(
        CODE["imagenet1k_swin_b_384_finetune"], **TEXT_TUNED, drop_path=0.1
    ),
    "imagenet22k_swin_b_paper": replace(CODE["imagenet22k_swin_b"], **TEXT_22K),
    "imagenet22k_swin_l_paper": replace(CODE["imagenet22k_swin_l"], **TEXT_22K),
    "imagenet22k_to_1k_swin_b_paper": replace(CODE["imagenet22k_to_1k_swin_b"], **TEXT_TUNED),
    "imagenet22k_to_1k_swin_b_384_paper": replace(
        CODE["imagenet22k_to_1k_swin_b_384"], **TEXT_TUNED, weights="swin_base_patch4_window7_224_22k"
    ),
    "imagenet22k_to_1k_swin_l_384_paper": replace(
        CODE["imagenet22k_to_1k_swin_l_384"], **TEXT_TUNED, weights="swin_large_patch4_window7_224_22k"
    ),
}
# Table 8: 30 epochs from 224, windows of a 32nd of the side.
RESIZED = {
    f"imagenet1k_swin_{arch}_{size}_finetune_paper": replace(
        TEXT["imagenet1k_swin_b_384_finetune_paper"], arch=arch, size=size, window=window, weights=weights
    )
    for arch, weights in (
        ("t", "swin_tiny_patch4_window7_224"),
        ("s", "swin_small_patch4_window7_224"),
        ("b", "swin_base_patch4_window7_224"),
    )
    for size, window in ((256, 8), (320, 10), (384, 12))
}
PUBLISHED = CODE | TEXT | RESIZED

EPOCH_STEPS = 40


def published_cases() -> list:
    return [pytest.param(RECIPES[name](), expected, id=name) for name, expected in PUBLISHED.items()]


def learning_rates(recipe: ClassificationRecipe) -> list[float]:
    """The rate of every step at the recipe's batch, with short epochs, and set before the step (the rates of the runs
    themselves: test_official_training)."""
    settings = replace(recipe.schedule, set_after_step=False)
    schedule = Schedule.of(settings, recipe.loop, recipe.optimizer, epoch_steps=EPOCH_STEPS, epoch_batches=EPOCH_STEPS)
    return [schedule.lr(step) for step in range(schedule.total_steps)]


def test_every_imagenet_recipe_is_in_the_table():
    made = {f"imagenet1k_swin_t_{name}" for name in VARIANTS}  # see test_ablation_recipes
    assert {name for name in RECIPES if name.startswith("imagenet")} == set(PUBLISHED) | made


@pytest.mark.parametrize(("recipe", "expected"), published_cases())
def test_architecture(recipe, expected):
    model = recipe.backbone
    assert (model.embed_dim, model.depths, model.num_heads) == ARCHITECTURES[expected.arch]
    assert model.image_size == (expected.size, expected.size)
    assert model.window_size == expected.window
    assert model.drop_path_rate == expected.drop_path
    assert (model.patch_size, model.in_channels, model.mlp_ratio) == (4, 3, 4.0)
    assert (model.patch_norm, model.qkv_bias, model.qk_scale) == (True, True, None)
    assert (model.relative_position_bias, model.absolute_position_embedding) == (True, False)
    assert (model.drop_rate, model.attn_drop_rate) == (0.0, 0.0)


@pytest.mark.parametrize(("recipe", "expected"), published_cases())
def test_optimiser_and_length(recipe, expected):
    optimizer, loop = recipe.optimizer, recipe.loop
    assert (optimizer.kind, optimizer.betas, optimizer.eps) == ("adamw", (0.9, 0.999), 1e-8)
    assert optimizer.weight_decay == expected.weight_decay
    assert optimizer.no_decay == "classification"
    assert (loop.epochs, loop.batch_size, loop.clip_grad) == (expected.epochs, expected.batch, expected.clip)
    assert loop.precision == "fp16"
    assert loop.ema_decay is None
    assert loop.seed == 0


@pytest.mark.parametrize(("recipe", "expected"), published_cases())
def test_learning_rates_at_the_published_batch(recipe, expected):
    rates = learning_rates(recipe)
    warm = expected.warmup * EPOCH_STEPS
    assert recipe.schedule.decay == expected.decay
    assert rates[0] == pytest.approx(expected.warmup_lr)
    assert rates[-1] == pytest.approx(expected.min_lr, rel=0.03)
    if expected.prefix:
        assert rates[warm] == max(rates) == pytest.approx(expected.peak)
    else:
        # The cosine has run on below the warm-up: 20 of 300 epochs.
        assert rates[warm] == pytest.approx(1e-5 + (expected.peak - 1e-5) * 0.989074, rel=1e-5)
        assert max(rates) == pytest.approx(expected.peak, rel=2e-3)
    if warm:
        middle = (expected.warmup_lr + expected.peak) / 2
        assert rates[warm // 2] == pytest.approx(middle)


@pytest.mark.parametrize(("recipe", "expected"), published_cases())
def test_augmentation_and_mixing(recipe, expected):
    assert recipe.augmentation == TrainAugmentation(
        image_size=expected.size,
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        horizontal_flip=0.5,
        vertical_flip=0.0,
        color_jitter=0.4,
        rand_augment=RandAugment(num_ops=2, magnitude=9.0, magnitude_std=0.5, probability=0.5),
        erase_probability=0.25,
        interpolation="bicubic",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )
    assert recipe.mixing == Mixing(
        mixup_alpha=0.8, cutmix_alpha=1.0, probability=1.0, switch_probability=0.5, label_smoothing=0.1
    )


@pytest.mark.parametrize(("recipe", "expected"), published_cases())
def test_evaluation(recipe, expected):
    assert recipe.preprocessing == EvalPreprocessing(
        expected.size,
        shorter_side=expected.shorter_side,
        interpolation="bicubic",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


@pytest.mark.parametrize(("recipe", "expected"), published_cases())
def test_starting_weights(recipe, expected):
    assert recipe.weights == expected.weights
    if expected.weights is None:
        return
    entry = CATALOGUE[expected.weights]
    assert entry.variant == f"swin_{expected.arch}"
    assert entry.classes == (21841 if "22k" in recipe.name else 1000)
    assert recipe.class_map is None


@pytest.mark.parametrize("name", CODE)
def test_the_released_weights_cosine_is_one_switch_away(name):
    recipe = RECIPES[name]()
    rates = learning_rates(replace(recipe, schedule=replace(recipe.schedule, warmup_prefix=False)))
    warm = recipe.schedule.warmup_epochs * EPOCH_STEPS
    assert rates[warm] < max(learning_rates(recipe))
    assert rates[-1] == pytest.approx(learning_rates(recipe)[-1], rel=1e-2)
