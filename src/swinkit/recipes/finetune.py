"""Your own images, from published weights or from scratch."""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import SWIN_T
from swinkit.classification.data.augmentation import TrainAugmentation
from swinkit.classification.data.mixing import Mixing
from swinkit.classification.data.preprocessing import EvalPreprocessing, published_preprocessing
from swinkit.classification.data.rand_augment import RandAugment
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.recipes.recipe import recipe
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings


@recipe
def finetune() -> ClassificationRecipe:
    """Swin-T on your own images in class folders, best from ImageNet weights; defaults for small data.

    Command: swinkit train finetune --data FOLDER --weights swin_tiny_patch4_window7_224
    FOLDER holds a folder of images for each class, or train/ and val/ with those.

    The weights (115 MB) are downloaded once; --weights takes a file, too. Without --weights the model starts from
    scratch, which wants thousands of images, or finetune_small. Other sizes: --backbone swin_b --weights
    swin_base_patch4_window7_224, or --backbone swin_b_384 --weights swin_base_patch4_window12_384.

    Milder than the ImageNet recipes, for tens to thousands of images a class: weaker RandAugment, larger crops, no
    Mixup, CutMix or random erasing; label smoothing stays. The learning rate is for 32 images a step and does not
    follow --batch-size.

    Hardware: one GPU, where --precision bf16 is faster; a CPU takes hours. Time: not measured.
    Expected: depends on the data; no published figure.
    """
    return ClassificationRecipe(
        usual_weights="swin_tiny_patch4_window7_224",
        backbone=replace(SWIN_T, drop_path_rate=0.1),
        augmentation=TrainAugmentation(
            image_size=224,
            scale=(0.35, 1.0),
            rand_augment=RandAugment(num_ops=2, magnitude=5, magnitude_std=0.5),
            erase_probability=0.0,
        ),
        preprocessing=published_preprocessing(224),
        mixing=Mixing(probability=0.0, label_smoothing=0.1),
        optimizer=OptimizerSettings(lr=1e-4, reference_batch=None, weight_decay=0.05),
        schedule=ScheduleSettings(decay="cosine", warmup_epochs=3, warmup_lr=1e-6, min_lr=1e-6),
        loop=LoopSettings(epochs=30, batch_size=32),
    )


@recipe
def finetune_small() -> ClassificationRecipe:
    """A small Swin from scratch on your own images at 128 pixels: no weights, for a CPU and small data.

    2.7 million parameters. Patches of 8 pixels: on little data many cheap epochs beat a few fine ones. Cropping,
    flipping and colour jitter only; label smoothing.

    Command: swinkit train finetune_small --data FOLDER
    Hardware: a CPU. Time: 19 minutes with one thread, on 2,000 images and a busy machine.
    Expected: depends on the data. Imagenette with 200 images in each of ten classes, at 128 pixels: 52 % top-1, and
    53.8 to 55.6 % with 66 to 75 epochs.
    """
    recipe = finetune()
    return replace(
        recipe,
        usual_weights=None,
        backbone=SwinConfig(
            embed_dim=64,
            depths=(2, 4, 2),
            num_heads=(4, 8, 16),
            window_size=4,
            image_size=(128, 128),
            patch_size=8,
            drop_path_rate=0.1,
        ),
        augmentation=TrainAugmentation(
            image_size=128, scale=(0.35, 1.0), rand_augment=None, color_jitter=0.3, erase_probability=0.0
        ),
        preprocessing=EvalPreprocessing(128, shorter_side=128),
        optimizer=replace(recipe.optimizer, lr=1e-3),
        schedule=replace(recipe.schedule, warmup_epochs=2, min_lr=0.0),
        loop=replace(recipe.loop, epochs=40, batch_size=64, workers=1),
    )
