"""What can be trained: functions with numbers in them, by public name."""

from __future__ import annotations

from collections.abc import Callable

from swinkit.classification.recipe import ClassificationRecipe
from swinkit.detection.recipe import DetectionRecipe
from swinkit.recipes.ade20k import (
    ade20k_resnet101,
    ade20k_swin_b,
    ade20k_swin_b_22k,
    ade20k_swin_b_22k_paper,
    ade20k_swin_l_22k,
    ade20k_swin_l_22k_paper,
    ade20k_swin_s,
    ade20k_swin_s_paper,
    ade20k_swin_t,
    ade20k_swin_t_paper,
)
from swinkit.recipes.coco import (
    coco_cascade_swin_b_3x,
    coco_cascade_swin_b_3x_paper,
    coco_cascade_swin_s_3x,
    coco_cascade_swin_s_3x_paper,
    coco_cascade_swin_t_1x,
    coco_cascade_swin_t_3x,
    coco_cascade_swin_t_3x_paper,
    coco_mask_rcnn_swin_s_3x,
    coco_mask_rcnn_swin_t_1x,
    coco_mask_rcnn_swin_t_3x,
)
from swinkit.recipes.coco_resnet import (
    coco_cascade_resnet50,
    coco_cascade_resnet50_sgd,
    coco_cascade_resnext101_32x4d,
    coco_cascade_resnext101_32x4d_sgd,
    coco_cascade_resnext101_64x4d,
    coco_cascade_resnext101_64x4d_sgd,
)
from swinkit.recipes.digit_scenes import digit_scenes_detection, digit_scenes_segmentation
from swinkit.recipes.digits import digits
from swinkit.recipes.finetune import finetune, finetune_small
from swinkit.recipes.finetune_detection import finetune_detection, finetune_detection_small
from swinkit.recipes.finetune_segmentation import finetune_segmentation, finetune_segmentation_small
from swinkit.recipes.imagenet1k import (
    imagenet1k_swin_b,
    imagenet1k_swin_b_384_finetune,
    imagenet1k_swin_b_384_finetune_paper,
    imagenet1k_swin_b_paper,
    imagenet1k_swin_s,
    imagenet1k_swin_s_paper,
    imagenet1k_swin_t,
    imagenet1k_swin_t_paper,
)
from swinkit.recipes.imagenet22k import (
    imagenet22k_swin_b,
    imagenet22k_swin_b_paper,
    imagenet22k_swin_l,
    imagenet22k_swin_l_paper,
    imagenet22k_swin_s,
    imagenet22k_swin_t,
    imagenet22k_to_1k_swin_b,
    imagenet22k_to_1k_swin_b_384,
    imagenet22k_to_1k_swin_b_384_paper,
    imagenet22k_to_1k_swin_b_paper,
    imagenet22k_to_1k_swin_l,
    imagenet22k_to_1k_swin_l_384,
    imagenet22k_to_1k_swin_l_384_paper,
    imagenet22k_to_1k_swin_s,
    imagenet22k_to_1k_swin_t,
)
from swinkit.segmentation.recipe import SegmentationRecipe

RECIPES: dict[
    str, Callable[[], ClassificationRecipe] | Callable[[], SegmentationRecipe] | Callable[[], DetectionRecipe]
] = {
    "digits": digits,
    "digit_scenes_segmentation": digit_scenes_segmentation,
    "digit_scenes_detection": digit_scenes_detection,
    "finetune_detection": finetune_detection,
    "finetune_detection_small": finetune_detection_small,
    "finetune": finetune,
    "finetune_small": finetune_small,
    "finetune_segmentation": finetune_segmentation,
    "finetune_segmentation_small": finetune_segmentation_small,
    "imagenet1k_swin_t": imagenet1k_swin_t,
    "imagenet1k_swin_s": imagenet1k_swin_s,
    "imagenet1k_swin_b": imagenet1k_swin_b,
    "imagenet1k_swin_b_384_finetune": imagenet1k_swin_b_384_finetune,
    "imagenet1k_swin_t_paper": imagenet1k_swin_t_paper,
    "imagenet1k_swin_s_paper": imagenet1k_swin_s_paper,
    "imagenet1k_swin_b_paper": imagenet1k_swin_b_paper,
    "imagenet1k_swin_b_384_finetune_paper": imagenet1k_swin_b_384_finetune_paper,
    "imagenet22k_swin_t": imagenet22k_swin_t,
    "imagenet22k_swin_s": imagenet22k_swin_s,
    "imagenet22k_swin_b": imagenet22k_swin_b,
    "imagenet22k_swin_l": imagenet22k_swin_l,
    "imagenet22k_swin_b_paper": imagenet22k_swin_b_paper,
    "imagenet22k_swin_l_paper": imagenet22k_swin_l_paper,
    "imagenet22k_to_1k_swin_t": imagenet22k_to_1k_swin_t,
    "imagenet22k_to_1k_swin_s": imagenet22k_to_1k_swin_s,
    "imagenet22k_to_1k_swin_b": imagenet22k_to_1k_swin_b,
    "imagenet22k_to_1k_swin_l": imagenet22k_to_1k_swin_l,
    "imagenet22k_to_1k_swin_b_384": imagenet22k_to_1k_swin_b_384,
    "imagenet22k_to_1k_swin_l_384": imagenet22k_to_1k_swin_l_384,
    "imagenet22k_to_1k_swin_b_paper": imagenet22k_to_1k_swin_b_paper,
    "imagenet22k_to_1k_swin_b_384_paper": imagenet22k_to_1k_swin_b_384_paper,
    "imagenet22k_to_1k_swin_l_384_paper": imagenet22k_to_1k_swin_l_384_paper,
    "ade20k_swin_t": ade20k_swin_t,
    "ade20k_swin_s": ade20k_swin_s,
    "ade20k_swin_b": ade20k_swin_b,
    "ade20k_swin_b_22k": ade20k_swin_b_22k,
    "ade20k_swin_l_22k": ade20k_swin_l_22k,
    "ade20k_swin_t_paper": ade20k_swin_t_paper,
    "ade20k_swin_s_paper": ade20k_swin_s_paper,
    "ade20k_swin_b_22k_paper": ade20k_swin_b_22k_paper,
    "ade20k_swin_l_22k_paper": ade20k_swin_l_22k_paper,
    "ade20k_resnet101": ade20k_resnet101,
    "coco_mask_rcnn_swin_t_1x": coco_mask_rcnn_swin_t_1x,
    "coco_mask_rcnn_swin_t_3x": coco_mask_rcnn_swin_t_3x,
    "coco_mask_rcnn_swin_s_3x": coco_mask_rcnn_swin_s_3x,
    "coco_cascade_swin_t_1x": coco_cascade_swin_t_1x,
    "coco_cascade_swin_t_3x": coco_cascade_swin_t_3x,
    "coco_cascade_swin_s_3x": coco_cascade_swin_s_3x,
    "coco_cascade_swin_b_3x": coco_cascade_swin_b_3x,
    "coco_cascade_swin_t_3x_paper": coco_cascade_swin_t_3x_paper,
    "coco_cascade_swin_s_3x_paper": coco_cascade_swin_s_3x_paper,
    "coco_cascade_swin_b_3x_paper": coco_cascade_swin_b_3x_paper,
    "coco_cascade_resnet50": coco_cascade_resnet50,
    "coco_cascade_resnext101_32x4d": coco_cascade_resnext101_32x4d,
    "coco_cascade_resnext101_64x4d": coco_cascade_resnext101_64x4d,
    "coco_cascade_resnet50_sgd": coco_cascade_resnet50_sgd,
    "coco_cascade_resnext101_32x4d_sgd": coco_cascade_resnext101_32x4d_sgd,
    "coco_cascade_resnext101_64x4d_sgd": coco_cascade_resnext101_64x4d_sgd,
}
"""Public names to functions, in reading order. A recipe's own name is its public one."""
