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
from swinkit.recipes.imagenet1k import constant_rate, imagenet1k_swin_t


def imagenet22k_swin_t() -> ClassificationRecipe:
    """Swin-T pretrained on ImageNet-22K at 224, as in the official code.

    90 epochs, peak 1e-3 for the published 4096 images a step; everything else as on ImageNet-1K.

    Command: torchrun --nnodes 4 --nproc-per-node 8 -m swinkit train imagenet22k_swin_t --data IMAGENET22K
    Hardware: not published; 4096 images are 128 on each of 32 GPUs, or --accumulate more. Time: not measured.
    Expected: no result on ImageNet-22K is published; 80.9 % on ImageNet-1K after imagenet22k_to_1k_swin_t (README).

    As on ImageNet-1K, the released weights were trained with --schedule.no-warmup-prefix (see imagenet1k_swin_t).
    """
    base = imagenet1k_swin_t()
    return replace(
        base,
        name="imagenet22k_swin_t",
        backbone=replace(SWIN_T, drop_path_rate=0.1),
        optimizer=replace(base.optimizer, lr=1.25e-4),
        schedule=replace(base.schedule, warmup_epochs=5, warmup_lr=1.25e-7, min_lr=1.25e-6),
        loop=replace(base.loop, epochs=90, batch_size=4096),
    )


def imagenet22k_swin_s() -> ClassificationRecipe:
    """Swin-S pretrained on ImageNet-22K at 224, as in the official code.

    Command: torchrun --nnodes 4 --nproc-per-node 8 -m swinkit train imagenet22k_swin_s --data IMAGENET22K
    Hardware: not published, see imagenet22k_swin_t. Time: not measured.
    Expected: 83.2 % on ImageNet-1K after imagenet22k_to_1k_swin_s (official README).
    """
    return replace(imagenet22k_swin_t(), name="imagenet22k_swin_s", backbone=replace(SWIN_S, drop_path_rate=0.2))


def imagenet22k_swin_b() -> ClassificationRecipe:
    """Swin-B pretrained on ImageNet-22K at 224, as in the official code.

    Command: torchrun --nnodes 4 --nproc-per-node 8 -m swinkit train imagenet22k_swin_b --data IMAGENET22K
    Hardware: not published, see imagenet22k_swin_t. Time: not measured.
    Expected: 85.2 % on ImageNet-1K after imagenet22k_to_1k_swin_b (official README; paper, table 1).
    """
    return replace(imagenet22k_swin_t(), name="imagenet22k_swin_b", backbone=replace(SWIN_B, drop_path_rate=0.2))


def imagenet22k_swin_l() -> ClassificationRecipe:
    """Swin-L pretrained on ImageNet-22K at 224, as in the official code.

    Command: torchrun --nnodes 4 --nproc-per-node 8 -m swinkit train imagenet22k_swin_l --data IMAGENET22K
    Hardware: not published, see imagenet22k_swin_t; --checkpoint-activations and --sharding fsdp save memory.
        Time: not measured.
    Expected: 86.3 % on ImageNet-1K after imagenet22k_to_1k_swin_l (official README).
    """
    return replace(imagenet22k_swin_t(), name="imagenet22k_swin_l", backbone=replace(SWIN_L, drop_path_rate=0.2))


def imagenet22k_swin_b_paper() -> ClassificationRecipe:
    """Swin-B pretrained on ImageNet-22K at 224, as in the paper's text: linear decay, weight decay 0.01.

    90 epochs (v2 of the paper; v1 says 60), gradients clipped at 1, as the text has it for ImageNet-1K. Where the line
    ends is not said: at a hundredth of the peak, as in the code.

    Command: torchrun --nnodes 4 --nproc-per-node 8 -m swinkit train imagenet22k_swin_b_paper --data IMAGENET22K
    Hardware: not published, see imagenet22k_swin_t. Time: not measured.
    Expected: 85.2 % at 224, 86.4 % at 384 on ImageNet-1K after fine-tuning (paper, table 1).
    """
    return _linear(imagenet22k_swin_b())


def imagenet22k_swin_l_paper() -> ClassificationRecipe:
    """Swin-L pretrained on ImageNet-22K at 224, as in the paper's text; see imagenet22k_swin_b_paper.

    Command: torchrun --nnodes 4 --nproc-per-node 8 -m swinkit train imagenet22k_swin_l_paper --data IMAGENET22K
    Hardware: not published, see imagenet22k_swin_l. Time: not measured.
    Expected: 87.3 % at 384 on ImageNet-1K after fine-tuning (paper, table 1).
    """
    return _linear(imagenet22k_swin_l())


def imagenet22k_to_1k_swin_t() -> ClassificationRecipe:
    """Swin-T from ImageNet-22K to 1K at 224, as in the official code: 80.9 % top-1.

    30 epochs, cosine from 4e-5, next to no weight decay; stochastic depth as in pretraining.

    Command: torchrun --nproc-per-node 8 -m swinkit train imagenet22k_to_1k_swin_t --data IMAGENET
        --class-map map22kto1k.txt
    Hardware: 8 GPUs, 1024 images a step (official get_started.md). Time: not measured.
    Expected: 80.9 % top-1 (official README), less than the 81.2 % of training on ImageNet-1K alone.

    The released weights were trained with --schedule.no-warmup-prefix, see imagenet1k_swin_t.
    """
    base = imagenet1k_swin_t()
    return replace(
        base,
        name="imagenet22k_to_1k_swin_t",
        weights="swin_tiny_patch4_window7_224_22k",
        backbone=replace(SWIN_T, drop_path_rate=0.1),
        optimizer=replace(base.optimizer, lr=2e-5, weight_decay=1e-8),
        schedule=replace(base.schedule, warmup_epochs=5, warmup_lr=2e-8, min_lr=2e-7),
        loop=replace(base.loop, epochs=30),
    )


def imagenet22k_to_1k_swin_s() -> ClassificationRecipe:
    """Swin-S from ImageNet-22K to 1K at 224, as in the official code: 83.2 % top-1.

    Command: torchrun --nproc-per-node 8 -m swinkit train imagenet22k_to_1k_swin_s --data IMAGENET
        --class-map map22kto1k.txt
    Hardware: 8 GPUs, 1024 images a step (official get_started.md). Time: not measured.
    Expected: 83.2 % top-1 (official README).
    """
    return _to_1k("imagenet22k_to_1k_swin_s", SWIN_S, weights="swin_small_patch4_window7_224_22k")


def imagenet22k_to_1k_swin_b() -> ClassificationRecipe:
    """Swin-B from ImageNet-22K to 1K at 224, as in the official code: 85.2 % top-1.

    Command: torchrun --nproc-per-node 8 -m swinkit train imagenet22k_to_1k_swin_b --data IMAGENET --accumulate 2
        --class-map map22kto1k.txt
    Hardware: 8 GPUs with 2 x 64 images each (official get_started.md). Time: not measured.
    Expected: 85.2 % top-1, 97.5 % top-5 (official README); 85.2 % (paper, table 1).
    """
    return _to_1k("imagenet22k_to_1k_swin_b", SWIN_B, weights="swin_base_patch4_window7_224_22k")


def imagenet22k_to_1k_swin_l() -> ClassificationRecipe:
    """Swin-L from ImageNet-22K to 1K at 224, as in the official code: 86.3 % top-1.

    Command: torchrun --nproc-per-node 8 -m swinkit train imagenet22k_to_1k_swin_l --data IMAGENET --accumulate 2
        --class-map map22kto1k.txt
    Hardware: 8 GPUs with 2 x 64 images each, as for Swin-B. Time: not measured.
    Expected: 86.3 % top-1, 97.9 % top-5 (official README).
    """
    return _to_1k("imagenet22k_to_1k_swin_l", SWIN_L, weights="swin_large_patch4_window7_224_22k")


def imagenet22k_to_1k_swin_b_384() -> ClassificationRecipe:
    """Swin-B from ImageNet-22K to 1K at 384, as in the official code: 86.4 % top-1.

    Starts from the 22K weights that were released at 384, the ones that the official README puts beside this result
    (no recipe of theirs was published); evaluated on the whole image squeezed to 384 (TEST.CROP False).

    Command: torchrun --nproc-per-node 8 -m swinkit train imagenet22k_to_1k_swin_b_384 --data IMAGENET --accumulate 2
        --class-map map22kto1k.txt
    Hardware: 8 GPUs with 2 x 64 images each, as at 224. Time: not measured.
    Expected: 86.4 % top-1, 98.0 % top-5 (official README); 86.4 % (paper, table 1).
    """
    recipe = _to_1k("imagenet22k_to_1k_swin_b_384", SWIN_B_384, weights="swin_base_patch4_window12_384_22k")
    return _at_384(recipe)


def imagenet22k_to_1k_swin_l_384() -> ClassificationRecipe:
    """Swin-L from ImageNet-22K to 1K at 384, as in the official code: 87.3 % top-1.

    As imagenet22k_to_1k_swin_b_384.

    Command: torchrun --nproc-per-node 8 -m swinkit train imagenet22k_to_1k_swin_l_384 --data IMAGENET --accumulate 4
        --checkpoint-activations --class-map map22kto1k.txt
    Hardware: not published; 8 GPUs with 4 x 32 images each. Time: not measured.
    Expected: 87.3 % top-1, 98.2 % top-5 (official README); 87.3 % (paper, table 1).
    """
    recipe = _to_1k("imagenet22k_to_1k_swin_l_384", SWIN_L_384, weights="swin_large_patch4_window12_384_22k")
    return _at_384(recipe)


def imagenet22k_to_1k_swin_b_paper() -> ClassificationRecipe:
    """Swin-B from ImageNet-22K to 1K at 224, as in the paper's text: constant 1e-5.

    No warm-up, gradients clipped at 1. The text gives no stochastic depth for this step: as in the code.

    Command: torchrun --nproc-per-node 8 -m swinkit train imagenet22k_to_1k_swin_b_paper --data IMAGENET --accumulate 2
        --class-map map22kto1k.txt
    Hardware: as imagenet22k_to_1k_swin_b. Time: not measured.
    Expected: 85.2 % top-1 (paper, table 1).
    """
    return constant_rate(imagenet22k_to_1k_swin_b())


def imagenet22k_to_1k_swin_b_384_paper() -> ClassificationRecipe:
    """Swin-B from ImageNet-22K to 1K at 384, as in the paper's text: constant 1e-5, pretrained at 224.

    The text pretrains at 224 only, so the bias tables are resized to window 12 here.

    Command: torchrun --nproc-per-node 8 -m swinkit train imagenet22k_to_1k_swin_b_384_paper --data IMAGENET
        --accumulate 2 --class-map map22kto1k.txt
    Hardware: as imagenet22k_to_1k_swin_b_384. Time: not measured.
    Expected: 86.4 % top-1 (paper, table 1).
    """
    recipe = constant_rate(imagenet22k_to_1k_swin_b_384())
    return replace(recipe, weights="swin_base_patch4_window7_224_22k")


def imagenet22k_to_1k_swin_l_384_paper() -> ClassificationRecipe:
    """Swin-L from ImageNet-22K to 1K at 384, as in the paper's text: constant 1e-5, pretrained at 224.

    As imagenet22k_to_1k_swin_b_384_paper.

    Command: torchrun --nproc-per-node 8 -m swinkit train imagenet22k_to_1k_swin_l_384_paper --data IMAGENET
        --accumulate 4 --checkpoint-activations --class-map map22kto1k.txt
    Hardware: as imagenet22k_to_1k_swin_l_384. Time: not measured.
    Expected: 87.3 % top-1 (paper, table 1).
    """
    recipe = constant_rate(imagenet22k_to_1k_swin_l_384())
    return replace(recipe, weights="swin_large_patch4_window7_224_22k")


def _linear(recipe: ClassificationRecipe) -> ClassificationRecipe:
    return replace(
        recipe,
        name=f"{recipe.name}_paper",
        optimizer=replace(recipe.optimizer, weight_decay=0.01),
        schedule=replace(recipe.schedule, decay="linear"),
        loop=replace(recipe.loop, clip_grad=1.0),
    )


def _to_1k(name: str, model: SwinConfig, *, weights: str) -> ClassificationRecipe:
    return replace(imagenet22k_to_1k_swin_t(), name=name, weights=weights, backbone=replace(model, drop_path_rate=0.2))


def _at_384(recipe: ClassificationRecipe) -> ClassificationRecipe:
    return replace(
        recipe,
        augmentation=replace(recipe.augmentation, image_size=384),
        preprocessing=published_preprocessing(384, crop=False),
    )
