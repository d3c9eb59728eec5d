"""COCO with Mask R-CNN and Cascade Mask R-CNN (paper section 4.2, A2.2, tables 2 and 9).

A recipe's name says which published form it has: without suffix that of the official code (configs/swin of the
detection repository), with `_paper` that of the paper's text where the two differ: stochastic depth of 0.2 for every
model, and multi-scale training without the crop policy. Mask R-CNN and the 1x schedule are the code's alone.

All start from ImageNet weights, which are downloaded once (--weights takes a file, too), and train with 16 images a
step: AdamW, or SGD of the paper's comparison, linear warm-up over 500 steps from a thousandth, a tenth of the rate
after epochs 8 and 11 of 12 (1x) or 27 and 33 of 36 (3x), in mixed precision (fp16).
"""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import SWIN_B, SWIN_S, SWIN_T
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.data.augmentation import DetectionAugmentation, DetectionResize
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.recipe import DetectionRecipe
from swinkit.recipes.official_training import DenseTraining
from swinkit.recipes.published import Launch, Published
from swinkit.recipes.recipe import published_recipe

LAUNCH = Launch(data="coco", images=2)

ONCE = DenseTraining(
    type="AdamW",
    lr=1e-4,
    weight_decay=0.05,
    policy="step",
    step=(8, 11),
    warmup_iters=500,
    warmup_ratio=1e-3,
    max_epochs=12,
    grad_clip=None,
    batch_size=16,
)
"""The 1x schedule."""
THREE_TIMES = replace(ONCE, step=(27, 33), max_epochs=36)
"""The 3x schedule."""


@published_recipe(Published(box_ap=43.7, mask_ap=39.8, source="official README"), LAUNCH)
def coco_mask_rcnn_swin_t_1x() -> DetectionRecipe:
    """Mask R-CNN with Swin-T on COCO, 12 epochs, as in the official code.

    Stochastic depth 0.1.
    """
    training = ONCE.settings()
    return DetectionRecipe(
        weights="swin_tiny_patch4_window7_224",
        backbone=replace(SWIN_T, drop_path_rate=0.1),
        detector=MaskRCNN(),
        augmentation=DetectionAugmentation(
            shorter_sides=tuple(range(480, 801, 32)),
            longest_side=1333,
            horizontal_flip=0.5,
            crop_probability=0.5,
            sides_before_crop=(400, 500, 600),
            crop_range=(384, 600),
        ),
        resize=DetectionResize(shorter_side=800, longest_side=1333),
        optimizer=training.optimizer,
        schedule=training.schedule,
        loop=replace(training.loop, precision="fp16", checkpoint_every=1000, log_every=50),
    )


@published_recipe(Published(box_ap=46.0, mask_ap=41.6, source="official README"), LAUNCH)
def coco_mask_rcnn_swin_t_3x() -> DetectionRecipe:
    """Mask R-CNN with Swin-T on COCO, 36 epochs, as in the official code."""
    recipe = _three_times(coco_mask_rcnn_swin_t_1x())
    return replace(recipe, backbone=replace(SWIN_T, drop_path_rate=0.2))


@published_recipe(Published(box_ap=48.5, mask_ap=43.3, source="official README"), LAUNCH)
def coco_mask_rcnn_swin_s_3x() -> DetectionRecipe:
    """Mask R-CNN with Swin-S on COCO, 36 epochs, as in the official code."""
    return replace(
        coco_mask_rcnn_swin_t_3x(),
        weights="swin_small_patch4_window7_224",
        backbone=replace(SWIN_S, drop_path_rate=0.2),
    )


@published_recipe(Published(box_ap=48.1, mask_ap=41.7, source="official README"), LAUNCH)
def coco_cascade_swin_t_1x() -> DetectionRecipe:
    """Cascade Mask R-CNN with Swin-T on COCO, 12 epochs, as in the official code.

    Without stochastic depth. Batch norm of the box heads is over all GPUs.
    """
    return replace(
        coco_mask_rcnn_swin_t_1x(),
        backbone=replace(SWIN_T, drop_path_rate=0.0),
        detector=CascadeMaskRCNN(),
    )


@published_recipe(Published(box_ap=50.4, mask_ap=43.7, source="official README"), LAUNCH)
def coco_cascade_swin_t_3x() -> DetectionRecipe:
    """Cascade Mask R-CNN with Swin-T on COCO, 36 epochs, as in the official code."""
    recipe = _three_times(coco_cascade_swin_t_1x())
    return replace(recipe, backbone=replace(SWIN_T, drop_path_rate=0.2))


@published_recipe(Published(box_ap=51.9, mask_ap=45.0, source="official README"), LAUNCH)
def coco_cascade_swin_s_3x() -> DetectionRecipe:
    """Cascade Mask R-CNN with Swin-S on COCO, 36 epochs, as in the official code."""
    return replace(
        coco_cascade_swin_t_3x(),
        weights="swin_small_patch4_window7_224",
        backbone=replace(SWIN_S, drop_path_rate=0.2),
    )


@published_recipe(Published(box_ap=51.9, mask_ap=45.0, source="official README"), LAUNCH)
def coco_cascade_swin_b_3x() -> DetectionRecipe:
    """Cascade Mask R-CNN with Swin-B on COCO, 36 epochs, as in the official code.

    Stochastic depth 0.3.
    """
    return replace(
        coco_cascade_swin_t_3x(),
        weights="swin_base_patch4_window7_224",
        backbone=replace(SWIN_B, drop_path_rate=0.3),
    )


@published_recipe(Published(box_ap=50.5, mask_ap=43.7, source="paper, table 2"), LAUNCH)
def coco_cascade_swin_t_3x_paper() -> DetectionRecipe:
    """Cascade Mask R-CNN with Swin-T on COCO as in the paper's text, multi-scale alone."""
    return _as_in_paper(coco_cascade_swin_t_3x())


@published_recipe(Published(box_ap=51.8, mask_ap=44.7, source="paper, table 2"), LAUNCH)
def coco_cascade_swin_s_3x_paper() -> DetectionRecipe:
    """Cascade Mask R-CNN with Swin-S on COCO as in the paper's text, multi-scale alone."""
    return _as_in_paper(coco_cascade_swin_s_3x())


@published_recipe(Published(box_ap=51.9, mask_ap=45.0, source="paper, table 2"), LAUNCH)
def coco_cascade_swin_b_3x_paper() -> DetectionRecipe:
    """Cascade Mask R-CNN with Swin-B on COCO as in the paper's text, multi-scale alone.

    Stochastic depth 0.2, where the code has 0.3.
    """
    return _as_in_paper(coco_cascade_swin_b_3x())


def _three_times(recipe: DetectionRecipe) -> DetectionRecipe:
    training = THREE_TIMES.settings()
    return replace(recipe, schedule=training.schedule, loop=replace(recipe.loop, epochs=training.loop.epochs))


def _as_in_paper(recipe: DetectionRecipe) -> DetectionRecipe:
    assert isinstance(recipe.augmentation, DetectionAugmentation) and isinstance(recipe.backbone, SwinConfig)
    return replace(
        recipe,
        backbone=replace(recipe.backbone, drop_path_rate=0.2),
        augmentation=replace(recipe.augmentation, crop_probability=0.0),
    )
