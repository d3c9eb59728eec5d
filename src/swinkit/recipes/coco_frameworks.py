"""COCO with the other frameworks of the paper's table 2a: ATSS, RepPoints v2 and Sparse R-CNN, on Swin-T and ResNet-50,
and the released Mask RepPoints v2, of which there is no figure on ResNet-50.

What the paper says of all (section 4.2): AdamW, learning rate 0.0001, weight decay 0.05, 16 images a step, 36 epochs.
Of both RepPoints v2 the official code has configurations. Of ATSS and Sparse R-CNN only the figures were released:
their heads are those of their authors, which the parameter counts of table 2a confirm, and the augmentation is inferred
to be that of Cascade Mask R-CNN, as is the stochastic depth of 0.2. ResNet-50 is frozen as in `recipes.coco_resnet`.
"""

from __future__ import annotations

from dataclasses import replace

from swinkit.detection.atss import ATSS
from swinkit.detection.data.augmentation import DetectionAugmentation
from swinkit.detection.dense_maps import FINEST
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
from swinkit.detection.recipe import DetectionRecipe
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.sparse_rcnn import SparseRCNN
from swinkit.recipes.coco import LAUNCH, coco_cascade_swin_t_3x
from swinkit.recipes.coco_resnet import published_resnet
from swinkit.recipes.published import Published
from swinkit.recipes.recipe import published_recipe


@published_recipe(Published(box_ap=47.2, source="paper, table 2"), LAUNCH)
def coco_atss_swin_t_3x() -> DetectionRecipe:
    """ATSS with Swin-T on COCO, 36 epochs; augmentation and stochastic depth are inferred.

    Never released: the head is that of its authors, whose size is table 2a's.
    """
    recipe = coco_cascade_swin_t_3x()
    return replace(recipe, backbone=recipe.backbone.from_stride(FINEST), detector=ATSS())


@published_recipe(Published(box_ap=43.5, source="paper, table 2"), LAUNCH)
def coco_atss_resnet50() -> DetectionRecipe:
    """ATSS with ResNet-50 and AdamW on COCO, 36 epochs; the augmentation is inferred."""
    return _on_resnet50(coco_atss_swin_t_3x(), finest=FINEST)


@published_recipe(Published(box_ap=50.0, source="official README"), LAUNCH)
def coco_reppoints_v2_swin_t_3x() -> DetectionRecipe:
    """RepPoints v2 with Swin-T on COCO, 36 epochs, as in the official code.

    Shorter sides of 480 to 960 pixels, no crops.
    """
    recipe = coco_cascade_swin_t_3x()
    return replace(
        recipe,
        backbone=recipe.backbone.from_stride(FINEST),
        detector=RepPointsV2(),
        augmentation=DetectionAugmentation(shorter_sides=tuple(range(480, 961, 32)), crop_probability=0.0),
    )


@published_recipe(Published(box_ap=50.0, source="paper, table 2"), LAUNCH)
def coco_reppoints_v2_swin_t_3x_paper() -> DetectionRecipe:
    """RepPoints v2 with Swin-T on COCO as in the paper's text: shorter sides of 480 to 800 pixels."""
    return replace(coco_reppoints_v2_swin_t_3x(), augmentation=DetectionAugmentation(crop_probability=0.0))


@published_recipe(Published(box_ap=46.5, source="paper, table 2"), LAUNCH)
def coco_reppoints_v2_resnet50() -> DetectionRecipe:
    """RepPoints v2 with ResNet-50 and AdamW on COCO, 36 epochs; the augmentation is inferred: that with Swin-T."""
    return _on_resnet50(coco_reppoints_v2_swin_t_3x(), finest=FINEST)


@published_recipe(Published(box_ap=50.4, mask_ap=43.8, source="official README"), LAUNCH)
def coco_mask_reppoints_v2_swin_t_3x() -> DetectionRecipe:
    """Mask RepPoints v2 with Swin-T on COCO, 36 epochs, as in the official code.

    Shorter sides of any number of pixels from 480 to 960, no crops.
    """
    augmentation = DetectionAugmentation(shorter_side_range=(480, 960), crop_probability=0.0)
    return replace(coco_reppoints_v2_swin_t_3x(), detector=MaskRepPointsV2(), augmentation=augmentation)


@published_recipe(Published(box_ap=47.9, source="paper, table 2"), LAUNCH)
def coco_sparse_rcnn_swin_t_3x() -> DetectionRecipe:
    """Sparse R-CNN with Swin-T on COCO, 36 epochs, 300 proposals; augmentation and stochastic depth are inferred.

    Learning rate and no clipping are the paper's settings for all frameworks; its authors trained at a quarter of the
    rate and clipped (coco_sparse_rcnn_resnet50_authors): where the loss diverges, --optimizer.lr 2.5e-5 --clip-grad 1.
    """
    return replace(coco_cascade_swin_t_3x(), detector=SparseRCNN())


@published_recipe(Published(box_ap=44.5, source="paper, table 2"), LAUNCH)
def coco_sparse_rcnn_resnet50() -> DetectionRecipe:
    """Sparse R-CNN with ResNet-50 on COCO, 36 epochs, 300 proposals; the augmentation is inferred."""
    return _on_resnet50(coco_sparse_rcnn_swin_t_3x(), finest=4)


@published_recipe(Published(box_ap=45.0, source="paper of Sparse R-CNN"), LAUNCH)
def coco_sparse_rcnn_resnet50_authors() -> DetectionRecipe:
    """Sparse R-CNN with ResNet-50 on COCO as its authors trained it (arXiv 2011.12450).

    Learning rate 0.000025, weight decay 0.0001, gradients clipped to a norm of 1.
    """
    recipe = coco_sparse_rcnn_resnet50()
    return replace(
        recipe,
        optimizer=replace(recipe.optimizer, lr=2.5e-5, weight_decay=1e-4),
        loop=replace(recipe.loop, clip_grad=1.0),
    )


def _on_resnet50(recipe: DetectionRecipe, *, finest: int) -> DetectionRecipe:
    return replace(recipe, weights=None, backbone=published_resnet("resnet50").from_stride(finest))
