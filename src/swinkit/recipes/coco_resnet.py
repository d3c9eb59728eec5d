"""COCO with Cascade Mask R-CNN on ResNet-50, ResNeXt-101 and DeiT-S, the paper's comparisons (tables 2 and 9).

Backbone and ImageNet weights are the timm library's, which these recipes need. All is as with Swin (`recipes.coco`: 36
epochs, crop policy, heads), and AdamW is the paper's (learning rate 0.0001, weight decay 0.05). Of SGD the paper gives
no numbers: these are mmdetection's usual ones, learning rate 0.02 for 16 images, momentum 0.9, weight decay 0.0001.
The stem and the first stage are frozen, and batch norm keeps ImageNet's statistics, as mmdetection's ResNets have it.
"""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.deit import DeiTPyramidConfig
from swinkit.backbone.timm import TimmConfig
from swinkit.detection.recipe import DetectionRecipe
from swinkit.recipes.coco import LAUNCH, THREE_TIMES, coco_cascade_swin_t_3x
from swinkit.recipes.published import Published
from swinkit.recipes.recipe import published_recipe


@published_recipe(Published(box_ap=46.3, mask_ap=40.1, source="paper, tables 2 and 9"), LAUNCH)
def coco_cascade_resnet50() -> DetectionRecipe:
    """Cascade Mask R-CNN with ResNet-50 and AdamW on COCO, 36 epochs."""
    return _on("resnet50")


@published_recipe(Published(box_ap=48.1, mask_ap=41.6, source="paper, tables 2 and 9"), LAUNCH)
def coco_cascade_resnext101_32x4d() -> DetectionRecipe:
    """Cascade Mask R-CNN with ResNeXt-101-32x4d and AdamW on COCO, 36 epochs."""
    return _on("resnext101_32x4d")


@published_recipe(Published(box_ap=48.3, mask_ap=41.7, source="paper, tables 2 and 9"), LAUNCH)
def coco_cascade_resnext101_64x4d() -> DetectionRecipe:
    """Cascade Mask R-CNN with ResNeXt-101-64x4d and AdamW on COCO, 36 epochs."""
    return _on("resnext101_64x4d")


@published_recipe(Published(box_ap=45.0, mask_ap=38.5, source="paper, table 9"), LAUNCH)
def coco_cascade_resnet50_sgd() -> DetectionRecipe:
    """Cascade Mask R-CNN with ResNet-50 and SGD on COCO, 36 epochs."""
    return _with_sgd(coco_cascade_resnet50())


@published_recipe(Published(box_ap=47.8, mask_ap=40.4, source="paper, table 9"), LAUNCH)
def coco_cascade_resnext101_32x4d_sgd() -> DetectionRecipe:
    """Cascade Mask R-CNN with ResNeXt-101-32x4d and SGD on COCO, 36 epochs."""
    return _with_sgd(coco_cascade_resnext101_32x4d())


@published_recipe(Published(box_ap=48.8, mask_ap=41.4, source="paper, table 9"), LAUNCH)
def coco_cascade_resnext101_64x4d_sgd() -> DetectionRecipe:
    """Cascade Mask R-CNN with ResNeXt-101-64x4d and SGD on COCO, 36 epochs."""
    return _with_sgd(coco_cascade_resnext101_64x4d())


@published_recipe(Published(box_ap=48.0, mask_ap=41.4, source="paper, table 2"), LAUNCH)
def coco_cascade_deit_s() -> DetectionRecipe:
    """Cascade Mask R-CNN with DeiT-S and a pyramid of deconvolutions on COCO, 36 epochs.

    Never released: pyramid and training are inferred (`swinkit.backbone.deit`); stochastic depth is Swin-T's.
    """
    return replace(
        coco_cascade_swin_t_3x(), weights=None, backbone=DeiTPyramidConfig(pretrained=True, drop_path_rate=0.2)
    )


def published_resnet(name: str) -> TimmConfig:
    """timm's ResNet `name` as detectors are published on it."""
    return TimmConfig(name, pretrained=True, frozen_batch_norm=True, frozen_stages=1)


def _on(backbone: str) -> DetectionRecipe:
    return replace(coco_cascade_swin_t_3x(), weights=None, backbone=published_resnet(backbone))


def _with_sgd(recipe: DetectionRecipe) -> DetectionRecipe:
    training = replace(THREE_TIMES, type="SGD", lr=0.02, weight_decay=1e-4, momentum=0.9)
    return replace(recipe, optimizer=training.settings().optimizer)
