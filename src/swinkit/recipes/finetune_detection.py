"""Your own images with boxes, or boxes and masks, from published weights or from scratch."""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import SWIN_T
from swinkit.detection.data.augmentation import DetectionAugmentation, DetectionResize, SmallDetectionAugmentation
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.recipe import DetectionRecipe
from swinkit.recipes.digit_scenes import small_detector
from swinkit.recipes.recipe import recipe
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings


@recipe
def finetune_detection() -> DetectionRecipe:
    """Mask R-CNN with Swin-T on your own COCO json, best from published weights; defaults for small data.

    Command: swinkit train finetune_detection --data FOLDER --weights mask_rcnn_swin_tiny_patch4_window7
    FOLDER holds annotations/train.json and val.json beside train/ and val/ with the images; or give a json. Other
    formats (VOC, YOLO): `swinkit convert-data`. `swinkit check-data FOLDER` says what is wrong.

    Masks are learned where all annotations have them; --masks False learns boxes alone, and then starts best from a
    backbone: --weights swin_tiny_patch4_window7_224. Other backbones: --backbone swin_s.

    Hardware: one GPU, where --precision bf16 is faster. Time: not measured.
    Expected: depends on the data; no published figure.
    """
    return DetectionRecipe(
        usual_weights="mask_rcnn_swin_tiny_patch4_window7",
        backbone=replace(SWIN_T, drop_path_rate=0.1),
        detector=MaskRCNN(),
        augmentation=DetectionAugmentation(crop_probability=0.0),
        resize=DetectionResize(800, 1333),
        optimizer=OptimizerSettings(lr=1e-4, reference_batch=None, weight_decay=0.05, no_decay="dense"),
        schedule=ScheduleSettings(decay="cosine", warmup_steps=200, warmup_ratio=1e-3),
        loop=LoopSettings(epochs=24, batch_size=4, clip_grad=None, evaluate_every=2),
    )


@recipe
def finetune_detection_small() -> DetectionRecipe:
    """A small Swin Mask R-CNN from scratch on your own COCO json: no weights, for a CPU and small data.

    Command: swinkit train finetune_detection_small --data FOLDER
    FOLDER as for finetune_detection. Images are shown with a shorter side of 320 pixels: objects should have about 10
    pixels or more at that size.

    Hardware: 2 CPU cores. Time: 3 images a second on one core.
    Expected: depends on the data. BCCD (205 images of blood cells), --epochs 32, 40 minutes on one core, from scratch:
    box AP 0.556, AP50 0.885 (red cells 0.824, white 0.994, platelets 0.837).
    """
    recipe = finetune_detection()
    return replace(
        recipe,
        usual_weights=None,
        backbone=SwinConfig(
            embed_dim=48, depths=(1, 2, 2), num_heads=(3, 6, 12), window_size=7, image_size=(224, 224), patch_size=4
        ),
        detector=small_detector(anchor=4.0, samples=96, proposals=300),
        augmentation=SmallDetectionAugmentation(shorter_side=(256, 352), longest_side=533, horizontal_flip=0.5),
        resize=DetectionResize(320, 533),
        optimizer=replace(recipe.optimizer, lr=1e-3),
        schedule=replace(recipe.schedule, warmup_steps=100),
        loop=replace(recipe.loop, epochs=20, batch_size=4, clip_grad=5.0, evaluate_every=5, workers=1),
    )
