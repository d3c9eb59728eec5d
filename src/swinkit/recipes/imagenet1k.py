"""ImageNet-1K: training from scratch at 224, and Swin-B fine-tuned to 384 (paper section 4.1 and A2.1).

A recipe's name says which published form it has: without suffix that of the official code (config.py and configs/swin),
with `_paper` that of the paper's text where the two differ. What the text leaves open is as in the code.
"""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.variants import SWIN_B, SWIN_B_384, SWIN_S, SWIN_T
from swinkit.classification.data.augmentation import TrainAugmentation
from swinkit.classification.data.mixing import Mixing
from swinkit.classification.data.preprocessing import published_preprocessing
from swinkit.classification.data.rand_augment import RandAugment
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.recipes.published import Launch, Published
from swinkit.recipes.recipe import published_recipe
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings

LAUNCH = Launch(data="IMAGENET", images=128, source="official get_started.md")
LAUNCH_IN_TWO = replace(LAUNCH, images=64, accumulate=2)


@published_recipe(Published(top1=81.2, top5=95.5, source="official README"), LAUNCH)
def imagenet1k_swin_t() -> ClassificationRecipe:
    """Swin-T on ImageNet-1K at 224, as in the official code.

    The cosine starts after the warm-up, as in the official code since October 2022. The released weights are older:
    their cosine counted from the first update, which --schedule.no-warmup-prefix brings back. Mixed precision is the
    official code's (fp16); --precision bf16 needs no loss scaling.
    """
    return ClassificationRecipe(
        backbone=replace(SWIN_T, drop_path_rate=0.2),
        augmentation=TrainAugmentation(
            image_size=224,
            rand_augment=RandAugment(num_ops=2, magnitude=9, magnitude_std=0.5),
            color_jitter=0.4,
            erase_probability=0.25,
        ),
        preprocessing=published_preprocessing(224),
        mixing=Mixing(mixup_alpha=0.8, cutmix_alpha=1.0, probability=1.0, switch_probability=0.5, label_smoothing=0.1),
        optimizer=OptimizerSettings(kind="adamw", lr=5e-4, reference_batch=512, weight_decay=0.05),
        schedule=ScheduleSettings(decay="cosine", warmup_epochs=20, warmup_lr=5e-7, min_lr=5e-6),
        loop=LoopSettings(epochs=300, batch_size=1024, clip_grad=5.0, precision="fp16"),
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
    base = imagenet1k_swin_b()
    return replace(
        base,
        weights="swin_base_patch4_window7_224",
        backbone=replace(SWIN_B_384, drop_path_rate=base.backbone.drop_path_rate),
        augmentation=replace(base.augmentation, image_size=384),
        preprocessing=published_preprocessing(384, crop=False),
        optimizer=replace(base.optimizer, lr=2e-5, weight_decay=1e-8),
        schedule=replace(base.schedule, warmup_epochs=5, warmup_lr=2e-8, min_lr=2e-7),
        loop=replace(base.loop, epochs=30),
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
