"""COCO with HTC, and with HTC++, the paper's best system (section 4.2, tables 2c and 10), which was never released.

Known of HTC++ is what the paper says: an improved HTC with InstaBoost, shorter sides of 400 to 1400 pixels, soft
non-maximum suppression, a block of global attention behind the last stage, weights of ImageNet-22K, stochastic depth of
0.2, and 72 epochs; the official README has 36 for Swin-L. Its counts fix the heads: boxes of four convolutions and one
layer, not one for each class, and the semantic branch. What is inferred: no norm in these convolutions, smooth L1
boxes, the block's heads of 32 channels without positions, and the size of single-scale test (1400, 1600).

All need COCO-stuff's maps beside COCO (`stuffthingmaps/train2017`), or --semantic FOLDER; --detector.semantic-classes 0
does without. Multi-scale test, as in the last rows of table 2c:

    swinkit evaluate RUN --scales 400 600 800 1000 1200 1400 --flip
"""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.variants import SWIN_B, SWIN_L
from swinkit.detection.data.augmentation import DetectionAugmentation, DetectionResize
from swinkit.detection.data.instaboost import InstaBoost
from swinkit.detection.htc import HTC
from swinkit.detection.recipe import DetectionRecipe
from swinkit.detection.soft_nms import Suppression
from swinkit.recipes.coco import coco_cascade_swin_t_3x
from swinkit.recipes.published import Launch, Published
from swinkit.recipes.recipe import published_recipe, recipe

PUBLISHED_HTC = HTC(semantic_mean="valid", semantic_padding=0)
"""As in the code base of the paper (mmdetection 2), which gave padding the class 0 in the semantic loss."""

LAUNCH_LARGE = Launch(data="coco", images=1, accumulate=2)

HTC_PLUS_PLUS = replace(PUBLISHED_HTC, shared_convs=4, shared_fcs=1, conv_norm=False, suppression=Suppression("linear"))


@recipe
def coco_htc_swin_t_3x() -> DetectionRecipe:
    """HTC with Swin-T on COCO, 36 epochs: mmdetection's HTC, trained as Cascade Mask R-CNN; not in the paper.

    Command: torchrun --nproc-per-node 8 -m swinkit train coco_htc_swin_t_3x --data coco
    Hardware: 8 GPUs with 2 images each. Time: not measured.
    Expected: no published figure. mmdetection's HTC with ResNet-50 has 43.3 box AP and 38.3 mask AP after 20 epochs.
    """
    return replace(coco_cascade_swin_t_3x(), detector=PUBLISHED_HTC)


@published_recipe(Published(box_ap=56.4, mask_ap=49.1, source="paper, table 2"), LAUNCH_LARGE)
def coco_htc_swin_b_22k_6x() -> DetectionRecipe:
    """HTC++ with Swin-B of ImageNet-22K on COCO, 72 epochs; never released, in parts inferred."""
    base = coco_htc_swin_t_3x()
    return replace(
        base,
        weights="swin_base_patch4_window7_224_22k",
        backbone=replace(SWIN_B, drop_path_rate=0.2, global_block=True),
        detector=HTC_PLUS_PLUS,
        augmentation=DetectionAugmentation(
            shorter_side_range=(400, 1400), longest_side=1600, crop_probability=0.0, instaboost=InstaBoost()
        ),
        resize=DetectionResize(1400, 1600),
        schedule=replace(base.schedule, milestones=(63, 69)),
        loop=replace(base.loop, epochs=72),
    )


@published_recipe(Published(box_ap=57.1, mask_ap=49.5, source="paper, table 2"), LAUNCH_LARGE)
def coco_htc_swin_l_22k_6x() -> DetectionRecipe:
    """HTC++ with Swin-L of ImageNet-22K on COCO, 72 epochs as in the paper's text; never released, in parts inferred.

    58.0 box AP and 50.4 mask AP with several scales; 58.7 and 51.1 on test-dev.
    """
    return replace(
        coco_htc_swin_b_22k_6x(),
        weights="swin_large_patch4_window7_224_22k",
        backbone=replace(SWIN_L, drop_path_rate=0.2, global_block=True),
    )


@published_recipe(Published(box_ap=57.1, mask_ap=49.5, source="official README"), LAUNCH_LARGE)
def coco_htc_swin_l_22k_3x() -> DetectionRecipe:
    """HTC++ with Swin-L of ImageNet-22K on COCO, 36 epochs as in the official README; in parts inferred."""
    base = coco_htc_swin_l_22k_6x()
    return replace(
        base,
        schedule=replace(base.schedule, milestones=(27, 33)),
        loop=replace(base.loop, epochs=36),
    )
