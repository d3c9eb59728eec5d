"""Your own images with masks, from published weights or from scratch."""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import SWIN_T
from swinkit.recipes.recipe import recipe
from swinkit.segmentation.data.augmentation import SegmentationAugmentation
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.model import UperNetConfig
from swinkit.segmentation.recipe import SegmentationRecipe
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings


@recipe
def finetune_segmentation() -> SegmentationRecipe:
    """UperNet with Swin-T on your own images and masks, best from published weights; defaults for small data.

    Command: swinkit train finetune_segmentation --data FOLDER --weights swin_tiny_patch4_window7_224
    FOLDER holds images/ and masks/ with files of the same names, each with or without train/ and val/, and classes.txt
    with one class name a line, in the order of the masks' values. `swinkit check-data FOLDER` says what is wrong.

    Better still are weights of a whole UperNet: --weights upernet_swin_tiny_patch4_window7_512x512. Images keep their
    size; for large ones: --augmentation.resize 512 2048 --inference.resize 512 2048. Others: --backbone swin_b.

    Hardware: one GPU, where --precision bf16 is faster. Time: not measured.
    Expected: depends on the data; no published figure.
    """
    return SegmentationRecipe(
        usual_weights="upernet_swin_tiny_patch4_window7_512x512",
        backbone=replace(SWIN_T, drop_path_rate=0.2),
        augmentation=SegmentationAugmentation(resize=None, ratio=(0.5, 2.0)),
        inference=InferenceSettings(),
        optimizer=OptimizerSettings(lr=6e-5, reference_batch=None, weight_decay=0.01, no_decay="dense"),
        schedule=ScheduleSettings(decay="poly", warmup_steps=300, warmup_ratio=1e-6),
        loop=LoopSettings(epochs=80, batch_size=8, clip_grad=None, evaluate_every=4),
    )


@recipe
def finetune_segmentation_small() -> SegmentationRecipe:
    """A small Swin UperNet from scratch on your own images and masks: no weights, for a CPU and small data.

    Command: swinkit train finetune_segmentation_small --data FOLDER
    FOLDER as for finetune_segmentation. Crops are 160 x 208 pixels: made for images of about 320 x 240; larger ones:
    --augmentation.resize 240 320 --inference.resize 240 320.

    Hardware: 2 CPU cores. Time: 7 images a second on one core.
    Expected: depends on the data. CamVid (367 images), --epochs 21, 19 minutes on one core, from scratch: mIoU 0.379,
    pixel accuracy 0.832 (sky 0.92, road 0.87, building 0.77; poles, signs and people are not learned in that time).
    """
    recipe = finetune_segmentation()
    return replace(
        recipe,
        usual_weights=None,
        backbone=SwinConfig(
            embed_dim=48,
            depths=(2, 2, 4),
            num_heads=(3, 6, 12),
            window_size=7,
            image_size=(224, 224),
            patch_size=4,
            drop_path_rate=0.1,
        ),
        head=UperNetConfig(channels=64, auxiliary_channels=32, auxiliary_level=1),
        augmentation=SegmentationAugmentation(crop_size=(160, 208), resize=None, ratio=(0.67, 1.25)),
        optimizer=replace(recipe.optimizer, lr=3e-3, weight_decay=0.05),
        schedule=replace(recipe.schedule, warmup_steps=100, warmup_ratio=1e-3),
        loop=replace(recipe.loop, epochs=30, batch_size=8, clip_grad=5.0, evaluate_every=5, workers=1),
    )
