"""Scenes of scikit-learn's digits in its photographs: the first detector and segmentor to try, without any download."""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.swin import SwinConfig
from swinkit.detection.config import MASK_RCNN, DetectorConfig, ProposalConfig, SamplerConfig
from swinkit.detection.data.augmentation import DetectionResize, SmallDetectionAugmentation
from swinkit.detection.recipe import DetectionRecipe
from swinkit.images.digit_scenes import SceneSettings
from swinkit.segmentation.data.augmentation import SegmentationAugmentation
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.model import UperNetConfig
from swinkit.segmentation.recipe import SegmentationRecipe
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings

SCENES = SceneSettings(size=64, digits=(2, 5), side=(20, 32), train_scenes=4000, val_scenes=200)

BACKBONE = SwinConfig(
    embed_dim=48, depths=(1, 3, 1), num_heads=(3, 6, 12), window_size=8, image_size=(64, 64), patch_size=4
)
"""Patches of 4 pixels are a little larger than the pixels of the digits' source."""


def digit_scenes_segmentation() -> SegmentationRecipe:
    """A small Swin UperNet on scenes of handwritten digits in photographs, without any download.

    scikit-learn's 1797 real digits, a fifth held out, blended into crops of its two photographs, whose right parts are
    held out: background and ten digits.

    Command: swinkit train digit_scenes_segmentation
    Hardware: one CPU core, and another that makes the scenes. Time: 9 minutes, on a machine busy with other work.
    Expected: mean IoU 0.50, pixel accuracy 0.90 (seed 0).
    """
    return SegmentationRecipe(
        name="digit_scenes_segmentation",
        dataset="digit_scenes",
        scenes=SCENES,
        class_weights=(0.2, *[1.0] * 10),
        backbone=BACKBONE,
        head=UperNetConfig(channels=48, auxiliary_channels=32, pool_scales=(1, 2), dropout=0.0, auxiliary_level=1),
        augmentation=SegmentationAugmentation(
            crop_size=(64, 64),
            resize=None,
            ratio=(1.0, 1.0),
            most_of_one_class=1.0,
            horizontal_flip=0.0,
            photometric=False,
        ),
        inference=InferenceSettings(),
        optimizer=OptimizerSettings(lr=2e-3, reference_batch=None, weight_decay=0.05, no_decay="dense"),
        schedule=ScheduleSettings(decay="cosine", warmup_steps=50, warmup_ratio=1e-3),
        loop=LoopSettings(epochs=7, batch_size=32, clip_grad=5.0, evaluate_every=2, workers=1, threads=1),
    )


def digit_scenes_detection() -> DetectionRecipe:
    """A small Swin Mask R-CNN on scenes of handwritten digits in photographs, without any download.

    scikit-learn's 1797 real digits, a fifth held out, blended into crops of its two photographs, whose right parts are
    held out: boxes and masks of ten digits.

    Command: swinkit train digit_scenes_detection
    Hardware: one CPU core, and another that makes the scenes. Time: 10 minutes, on a machine busy with other work.
    Expected: box AP50 0.90, mask AP50 0.87, all boxes found whatever their class (0.603 and 0.459 AP; seed 0).
    """
    return DetectionRecipe(
        name="digit_scenes_detection",
        dataset="digit_scenes",
        scenes=SCENES,
        model=BACKBONE,
        detector=small_detector(anchor=5.0, samples=32, proposals=150),
        augmentation=SmallDetectionAugmentation(shorter_side=(64, 64), longest_side=64, horizontal_flip=0.0),
        resize=DetectionResize(64, 64),
        optimizer=OptimizerSettings(lr=1e-3, reference_batch=None, weight_decay=0.05, no_decay="dense"),
        schedule=ScheduleSettings(decay="cosine", warmup_steps=100, warmup_ratio=1e-3),
        loop=LoopSettings(epochs=3, batch_size=16, clip_grad=5.0, evaluate_every=1, workers=1, threads=1),
    )


def small_detector(*, anchor: float, samples: int, proposals: int) -> DetectorConfig:
    """A Mask R-CNN narrow enough for a CPU.

    Args:
        anchor: sides of the anchors, in strides of their level.
        samples: regions of an image that are learned from.
        proposals: of an image, in training; fewer in evaluation.
    """
    return replace(
        MASK_RCNN,
        channels=48,
        fc_channels=192,
        mask_convs=2,
        mask_roi_size=7,
        rpn=replace(
            MASK_RCNN.rpn,
            scales=(anchor,),
            training=ProposalConfig(before_nms=2 * proposals, kept=proposals),
            inference=ProposalConfig(before_nms=2 * proposals, kept=2 * proposals // 3),
        ),
        stages=(replace(MASK_RCNN.stages[0], sampler=SamplerConfig(count=samples, foreground=0.5)),),
    )
