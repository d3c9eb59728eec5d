"""ImageNet-22K pretraining (14 million images, 21841 classes), and fine-tuning from there to ImageNet-1K.

Without suffix a recipe is that of the official code, with `_paper` that of the paper's text (A2.1), which there is for
the models of its table 1b. The fine-tunings start from the published weights; give --weights FILE for your own. With
--class-map FILE (the official data/map22kto1k.txt) the head starts from its 22K rows, as in the official code; without
it, it starts fresh.
"""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import SWIN_B, SWIN_B_384, SWIN_L, SWIN_L_384, SWIN_S, SWIN_T
from swinkit.classification.data.preprocessing import published_preprocessing
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.recipes.imagenet1k import SCRATCH, TUNING, constant_rate, imagenet1k_swin_t, with_training
from swinkit.recipes.published import Launch, Published
from swinkit.recipes.recipe import published_recipe

TRAINING = replace(SCRATCH, epochs=90, warmup_epochs=5, base_lr=1.25e-4, warmup_lr=1.25e-7, min_lr=1.25e-6)
"""configs/swin/*_22k.yaml."""
PRETRAINING = Launch(data="IMAGENET22K", images=128, machines=4, source="not published")
TO_1K = Launch(data="IMAGENET", images=128, options="--class-map map22kto1k.txt", source="official get_started.md")
TO_1K_IN_TWO = replace(TO_1K, images=64, accumulate=2)
TO_1K_AS_SWIN_B = replace(TO_1K_IN_TWO, source="as for Swin-B at 224")
TO_1K_IN_FOUR = replace(
    TO_1K,
    images=32,
    accumulate=4,
    options="--checkpoint-activations --class-map map22kto1k.txt",
    source="not published",
)


@published_recipe(Published(after="imagenet22k_to_1k_swin_t"), PRETRAINING)
def imagenet22k_swin_t() -> ClassificationRecipe:
    """Swin-T pretrained on ImageNet-22K at 224, as in the official code.

    90 epochs, peak 1e-3 for the published 4096 images an update; everything else as on ImageNet-1K.

    As on ImageNet-1K, the released weights were trained with --schedule.no-warmup-prefix (see imagenet1k_swin_t).
    """
    base = replace(imagenet1k_swin_t(), backbone=replace(SWIN_T, drop_path_rate=0.1))
    return with_training(base, TRAINING, processes=32)


@published_recipe(Published(after="imagenet22k_to_1k_swin_s"), PRETRAINING)
def imagenet22k_swin_s() -> ClassificationRecipe:
    """Swin-S pretrained on ImageNet-22K at 224, as in the official code."""
    return replace(imagenet22k_swin_t(), backbone=replace(SWIN_S, drop_path_rate=0.2))


@published_recipe(Published(after="imagenet22k_to_1k_swin_b"), PRETRAINING)
def imagenet22k_swin_b() -> ClassificationRecipe:
    """Swin-B pretrained on ImageNet-22K at 224, as in the official code."""
    return replace(imagenet22k_swin_t(), backbone=replace(SWIN_B, drop_path_rate=0.2))


@published_recipe(Published(after="imagenet22k_to_1k_swin_l"), PRETRAINING)
def imagenet22k_swin_l() -> ClassificationRecipe:
    """Swin-L pretrained on ImageNet-22K at 224, as in the official code.

    --checkpoint-activations and --sharding fsdp save memory.
    """
    return replace(imagenet22k_swin_t(), backbone=replace(SWIN_L, drop_path_rate=0.2))


@published_recipe(Published(after="imagenet22k_to_1k_swin_b_paper"), PRETRAINING)
def imagenet22k_swin_b_paper() -> ClassificationRecipe:
    """Swin-B pretrained on ImageNet-22K at 224, as in the paper's text: linear decay, weight decay 0.01.

    90 epochs (v2 of the paper; v1 says 60), gradients clipped at 1, as the text has it for ImageNet-1K. Where the line
    ends is not said: at a hundredth of the peak, as in the code.
    """
    return _linear(imagenet22k_swin_b())


@published_recipe(Published(after="imagenet22k_to_1k_swin_l_384_paper"), PRETRAINING)
def imagenet22k_swin_l_paper() -> ClassificationRecipe:
    """Swin-L pretrained on ImageNet-22K at 224, as in the paper's text; see imagenet22k_swin_b_paper."""
    return _linear(imagenet22k_swin_l())


@published_recipe(Published(top1=80.9, source="official README"), TO_1K)
def imagenet22k_to_1k_swin_t() -> ClassificationRecipe:
    """Swin-T from ImageNet-22K to 1K at 224, as in the official code.

    30 epochs, cosine from 4e-5, next to no weight decay; stochastic depth as in pretraining.

    The result is below that of training on ImageNet-1K alone. The released weights were trained with
    --schedule.no-warmup-prefix, see imagenet1k_swin_t.
    """
    return replace(
        with_training(imagenet1k_swin_t(), TUNING, processes=8),
        weights="swin_tiny_patch4_window7_224_22k",
        backbone=replace(SWIN_T, drop_path_rate=0.1),
    )


@published_recipe(Published(top1=83.2, source="official README"), TO_1K)
def imagenet22k_to_1k_swin_s() -> ClassificationRecipe:
    """Swin-S from ImageNet-22K to 1K at 224, as in the official code."""
    return _to_1k(SWIN_S, weights="swin_small_patch4_window7_224_22k")


@published_recipe(Published(top1=85.2, top5=97.5, source="official README"), TO_1K_IN_TWO)
def imagenet22k_to_1k_swin_b() -> ClassificationRecipe:
    """Swin-B from ImageNet-22K to 1K at 224, as in the official code."""
    return _to_1k(SWIN_B, weights="swin_base_patch4_window7_224_22k")


@published_recipe(Published(top1=86.3, top5=97.9, source="official README"), TO_1K_AS_SWIN_B)
def imagenet22k_to_1k_swin_l() -> ClassificationRecipe:
    """Swin-L from ImageNet-22K to 1K at 224, as in the official code."""
    return _to_1k(SWIN_L, weights="swin_large_patch4_window7_224_22k")


@published_recipe(Published(top1=86.4, top5=98.0, source="official README"), TO_1K_AS_SWIN_B)
def imagenet22k_to_1k_swin_b_384() -> ClassificationRecipe:
    """Swin-B from ImageNet-22K to 1K at 384, as in the official code.

    Starts from the 22K weights that were released at 384, the ones that the official README puts beside this result
    (no recipe of theirs was published); evaluated on the whole image squeezed to 384 (TEST.CROP False).
    """
    recipe = _to_1k(SWIN_B_384, weights="swin_base_patch4_window12_384_22k")
    return _at_384(recipe)


@published_recipe(Published(top1=87.3, top5=98.2, source="official README"), TO_1K_IN_FOUR)
def imagenet22k_to_1k_swin_l_384() -> ClassificationRecipe:
    """Swin-L from ImageNet-22K to 1K at 384, as in the official code.

    As imagenet22k_to_1k_swin_b_384.
    """
    recipe = _to_1k(SWIN_L_384, weights="swin_large_patch4_window12_384_22k")
    return _at_384(recipe)


@published_recipe(Published(top1=85.2, source="paper, table 1"), TO_1K_IN_TWO)
def imagenet22k_to_1k_swin_b_paper() -> ClassificationRecipe:
    """Swin-B from ImageNet-22K to 1K at 224, as in the paper's text: constant 1e-5.

    No warm-up, gradients clipped at 1. The text gives no stochastic depth for this step: as in the code.
    """
    return constant_rate(imagenet22k_to_1k_swin_b())


@published_recipe(Published(top1=86.4, source="paper, table 1"), TO_1K_AS_SWIN_B)
def imagenet22k_to_1k_swin_b_384_paper() -> ClassificationRecipe:
    """Swin-B from ImageNet-22K to 1K at 384, as in the paper's text: constant 1e-5, pretrained at 224.

    The text pretrains at 224 only, so the bias tables are resized to window 12 here.
    """
    recipe = constant_rate(imagenet22k_to_1k_swin_b_384())
    return replace(recipe, weights="swin_base_patch4_window7_224_22k")


@published_recipe(Published(top1=87.3, source="paper, table 1"), TO_1K_IN_FOUR)
def imagenet22k_to_1k_swin_l_384_paper() -> ClassificationRecipe:
    """Swin-L from ImageNet-22K to 1K at 384, as in the paper's text: constant 1e-5, pretrained at 224.

    As imagenet22k_to_1k_swin_b_384_paper.
    """
    recipe = constant_rate(imagenet22k_to_1k_swin_l_384())
    return replace(recipe, weights="swin_large_patch4_window7_224_22k")


def _linear(recipe: ClassificationRecipe) -> ClassificationRecipe:
    return replace(
        recipe,
        optimizer=replace(recipe.optimizer, weight_decay=0.01),
        schedule=replace(recipe.schedule, decay="linear"),
        loop=replace(recipe.loop, clip_grad=1.0),
    )


def _to_1k(model: SwinConfig, *, weights: str) -> ClassificationRecipe:
    return replace(imagenet22k_to_1k_swin_t(), weights=weights, backbone=replace(model, drop_path_rate=0.2))


def _at_384(recipe: ClassificationRecipe) -> ClassificationRecipe:
    return replace(
        recipe,
        augmentation=replace(recipe.augmentation, image_size=384),
        preprocessing=published_preprocessing(384, crop=False),
    )
