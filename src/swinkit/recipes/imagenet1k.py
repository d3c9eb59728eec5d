"""ImageNet-1K: training from scratch at 224, and Swin-B fine-tuned to 384 (paper section 4.1 and A2.1).

A recipe's name says which published form it has: without suffix that of the official code (config.py and configs/swin),
with `_paper` that of the paper's text where the two differ. What the text leaves open is as in the code.
"""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.variants import SWIN_B, SWIN_B_384, SWIN_S, SWIN_T
from swinkit.classification.data.augmentation import TrainAugmentation
from swinkit.classification.data.preprocessing import published_preprocessing
from swinkit.classification.data.rand_augment import RandAugment
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.recipes.official_training import ClassificationTraining
from swinkit.recipes.published import Launch, Published
from swinkit.recipes.recipe import published_recipe
from swinkit.training.settings import ScheduleSettings

LAUNCH = Launch(data="IMAGENET", images=128, source="official get_started.md")
LAUNCH_IN_TWO = replace(LAUNCH, images=64, accumulate=2)

SCRATCH = ClassificationTraining(
    batch_size=128,
    epochs=300,
    warmup_epochs=20,
    weight_decay=0.05,
    base_lr=5e-4,
    warmup_lr=5e-7,
    min_lr=5e-6,
    clip_grad=5.0,
    mixup=0.8,
    cutmix=1.0,
    label_smoothing=0.1,
)
"""config.py."""
TUNING = replace(SCRATCH, epochs=30, warmup_epochs=5, weight_decay=1e-8, base_lr=2e-5, warmup_lr=2e-8, min_lr=2e-7)
"""configs/swin/*_finetune.yaml."""


@published_recipe(Published(top1=81.2, top5=95.5, source="official README"), LAUNCH)
def imagenet1k_swin_t() -> ClassificationRecipe:
    """Swin-T on ImageNet-1K at 224, as in the official code.

    The cosine starts after the warm-up, as in the official code since October 2022. The released weights are older:
    their cosine counted from the first step, which --schedule.no-warmup-prefix brings back. Rates are set after a step,
    so the first two have the same (--schedule.no-set-after-step gives each its own). Mixed precision is the official
    code's (fp16); --precision bf16 needs no loss scaling.
    """
    training = SCRATCH.settings(processes=8)
    return ClassificationRecipe(
        backbone=replace(SWIN_T, drop_path_rate=0.2),
        augmentation=TrainAugmentation(
            image_size=224,
            rand_augment=RandAugment(num_ops=2, magnitude=9, magnitude_std=0.5),
            color_jitter=0.4,
            erase_probability=0.25,
        ),
        preprocessing=published_preprocessing(224),
        mixing=SCRATCH.mixing(),
        optimizer=training.optimizer,
        schedule=training.schedule,
        loop=training.loop,
    )


@published_recipe(Published(top1=83.2, top5=96.2, source="official README"), LAUNCH)
def imagenet1k_swin_s() -> ClassificationRecipe:
    """Swin-S on ImageNet-1K at 224, as in the official code.

    The released weights were trained with --schedule.no-warmup-prefix, see imagenet1k_swin_t.
    """
    return replace(imagenet1k_swin_t(), backbone=replace(SWIN_S, drop_path_rate=0.3))


@published_recipe(Published(top1=83.5, top5=96.5, source="official README"), LAUNCH_IN_TWO)
def imagenet1k_swin_b() -> ClassificationRecipe:
    """Swin-B on ImageNet-1K at 224, as in the official code.

    The released weights were trained with --schedule.no-warmup-prefix, see imagenet1k_swin_t.
    """
    return replace(imagenet1k_swin_t(), backbone=replace(SWIN_B, drop_path_rate=0.5))


@published_recipe(Published(top1=84.5, top5=97.0, source="official README"), LAUNCH_IN_TWO)
def imagenet1k_swin_b_384_finetune() -> ClassificationRecipe:
    """Swin-B from 224 to 384 on ImageNet-1K, as in the official code.

    Starts from the published weights at 224; their bias tables are resized to window 12. Cosine to a hundredth of the
    peak of 4e-5, stochastic depth as at 224; evaluated on the whole image squeezed to 384 (TEST.CROP False).

    The released weights were trained with --schedule.no-warmup-prefix, see imagenet1k_swin_t.
    """
    base = with_training(imagenet1k_swin_b(), TUNING, processes=8)
    return replace(
        base,
        weights="swin_base_patch4_window7_224",
        backbone=replace(SWIN_B_384, drop_path_rate=base.backbone.drop_path_rate),
        augmentation=replace(base.augmentation, image_size=384),
        preprocessing=published_preprocessing(384, crop=False),
    )


@published_recipe(Published(top1=81.3, top5=95.6, source="paper, table 1; top-5: table 4"), LAUNCH)
def imagenet1k_swin_t_paper() -> ClassificationRecipe:
    """Swin-T on ImageNet-1K at 224, as in the paper's text: gradients clipped at 1, not 5.

    The text does not say where its cosine starts; the paper's models are older than the code's change of October 2022,
    so here it counts from the first update (--schedule.warmup-prefix lets it start after the warm-up).
    """
    return _as_the_text(imagenet1k_swin_t())


@published_recipe(Published(top1=83.0, source="paper, table 1"), LAUNCH)
def imagenet1k_swin_s_paper() -> ClassificationRecipe:
    """Swin-S on ImageNet-1K at 224, as in the paper's text; see imagenet1k_swin_t_paper."""
    return _as_the_text(imagenet1k_swin_s())


@published_recipe(Published(top1=83.5, source="paper, table 1; table 8 says 83.3 %"), LAUNCH_IN_TWO)
def imagenet1k_swin_b_paper() -> ClassificationRecipe:
    """Swin-B on ImageNet-1K at 224, as in the paper's text; see imagenet1k_swin_t_paper."""
    return _as_the_text(imagenet1k_swin_b())


@published_recipe(Published(top1=84.5, source="paper, table 1"), LAUNCH_IN_TWO)
def imagenet1k_swin_b_384_finetune_paper() -> ClassificationRecipe:
    """Swin-B from 224 to 384 on ImageNet-1K, as in the paper's text: constant 1e-5, stochastic depth 0.1.

    Gradients are clipped at 1 and there is no warm-up.
    """
    recipe = constant_rate(imagenet1k_swin_b_384_finetune())
    return replace(recipe, backbone=replace(recipe.backbone, drop_path_rate=0.1))


def with_training(
    recipe: ClassificationRecipe, training: ClassificationTraining, *, processes: int
) -> ClassificationRecipe:
    """The same recipe, trained so on so many GPUs."""
    settings = training.settings(processes)
    return replace(recipe, optimizer=settings.optimizer, schedule=settings.schedule, loop=settings.loop)


def constant_rate(recipe: ClassificationRecipe) -> ClassificationRecipe:
    """A fine-tuning of the code as the text has it (A2.1): constant 1e-5 for 1024 images, gradients clipped at 1."""
    return replace(
        recipe,
        optimizer=replace(recipe.optimizer, lr=1e-5, reference_batch=1024),
        schedule=ScheduleSettings(decay="constant"),
        loop=replace(recipe.loop, clip_grad=1.0),
    )


def _as_the_text(recipe: ClassificationRecipe) -> ClassificationRecipe:
    return replace(
        recipe,
        schedule=replace(recipe.schedule, warmup_prefix=False),
        loop=replace(recipe.loop, clip_grad=1.0),
    )
