"""Scenes of scikit-learn's digits in its photographs: the first detector and segmentor to try, without any download."""

from __future__ import annotations

from swinkit.backbone import SwinConfig
from swinkit.data.digit_scenes import SceneSettings
from swinkit.data.segmentation_augmentation import SegmentationAugmentation
from swinkit.engine.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.segmentation import InferenceSettings, UperNetConfig
from swinkit.tasks import SegmentationRecipe

SCENES = SceneSettings(size=96, digits=(1, 5), side=(20, 40), train_scenes=4000, val_scenes=200)


def digit_scenes_segmentation() -> SegmentationRecipe:
    """A small Swin UperNet on scenes of handwritten digits in photographs, without any download.

    scikit-learn's 1797 real digits, a fifth held out, blended into crops of its two photographs, whose right parts are
    held out: background and ten digits.

    Command: swinkit train digit_scenes_segmentation
    Hardware: 2 CPU cores. Time: to be measured.
    Expected: to be measured.
    """
    return SegmentationRecipe(
        name="digit_scenes_segmentation",
        dataset="digit_scenes",
        scenes=SCENES,
        model=SwinConfig(
            embed_dim=48,
            depths=(2, 2, 2),
            num_heads=(3, 6, 12),
            window_size=6,
            image_size=(96, 96),
            patch_size=4,
            drop_path_rate=0.05,
        ),
        head=UperNetConfig(channels=64, auxiliary_channels=32, pool_scales=(1, 2, 3), dropout=0.1, auxiliary_level=1),
        augmentation=SegmentationAugmentation(
            crop_size=(96, 96),
            resize=None,
            ratio=(0.8, 1.25),
            most_of_one_class=1.0,
            horizontal_flip=0.0,
            photometric=True,
        ),
        inference=InferenceSettings(),
        optimizer=OptimizerSettings(lr=1e-3, reference_batch=None, weight_decay=0.05, no_decay="dense"),
        schedule=ScheduleSettings(decay="cosine", warmup_steps=100, warmup_ratio=1e-3),
        loop=LoopSettings(epochs=5, batch_size=16, clip_grad=5.0, evaluate_every=1, workers=0, threads=2),
    )
