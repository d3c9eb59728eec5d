"""What the tests of segmentation tasks share: a tiny recipe, a tiny UperNet, and data in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from mask_folders import CLASSES, sample
from PIL import Image

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.images.digit_scenes import SceneSettings
from swinkit.recipes.digit_scenes import digit_scenes_segmentation
from swinkit.segmentation.data.augmentation import SegmentationAugmentation
from swinkit.segmentation.model import UperNet, UperNetConfig
from swinkit.segmentation.recipe import SegmentationRecipe
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings

MODEL = SwinConfig(embed_dim=16, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
HEAD = UperNetConfig(channels=16, auxiliary_channels=8, pool_scales=(1, 2), auxiliary_level=1)
FROZEN = OptimizerSettings(lr=0.0, reference_batch=None)


def tiny(*, optimizer: OptimizerSettings | None = None, **loop: object) -> SegmentationRecipe:
    """24 steps on scenes of 32 pixels, in which the loss halves."""
    values = {"epochs": 1, "batch_size": 4, "log_every": 1, "workers": 0, "threads": 1, "device": "cpu"} | loop
    return replace(
        digit_scenes_segmentation(),
        scenes=SceneSettings(size=32, side=(14, 20), digits=(1, 2), train_scenes=96, val_scenes=7),
        class_weights=None,
        model=MODEL,
        head=HEAD,
        augmentation=SegmentationAugmentation(
            crop_size=(32, 32), resize=None, ratio=(1, 1), most_of_one_class=1.0, horizontal_flip=0.0, photometric=False
        ),
        optimizer=optimizer or OptimizerSettings(lr=0.01, reference_batch=None),
        schedule=ScheduleSettings(decay="cosine"),
        loop=LoopSettings(**values),
    )


def small_model(*, num_classes: int = 3, seed: int = 0) -> UperNet:
    torch.manual_seed(seed)
    return UperNet(SwinTransformer(MODEL), HEAD, num_classes=num_classes).eval()


class Pictures:
    """Coloured rectangles of different sizes, see `mask_folders.sample`."""

    classes = CLASSES

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Image.Image, np.ndarray]:
        return sample(index, height=33 + 3 * index, width=60 - 2 * index)

    def sample_name(self, index: int) -> str:
        return f"picture {index}"
