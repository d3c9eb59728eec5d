"""What the tests of segmentation share: a tiny recipe, tiny UperNets, saved and opened, and data in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from mask_folders import CLASSES, sample
from PIL import Image

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.images.digit_scenes import SceneSettings
from swinkit.recipes.digit_scenes import digit_scenes_segmentation
from swinkit.segmentation.data.augmentation import SegmentationAugmentation
from swinkit.segmentation.model import UperNet, UperNetConfig
from swinkit.segmentation.predictor import Segmentor
from swinkit.segmentation.recipe import SegmentationRecipe
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.weights.model_file import read_model_file

CPU = torch.device("cpu")
BACKBONE = SwinConfig(embed_dim=16, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
HEAD = UperNetConfig(channels=16, auxiliary_channels=8, pool_scales=(1, 2), auxiliary_level=1)
FOUR_STAGES = SwinConfig(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 1, 2, 2), window_size=4)
FROZEN = OptimizerSettings(lr=0.0, reference_batch=None)


def tiny(*, optimizer: OptimizerSettings | None = None, **loop: object) -> SegmentationRecipe:
    """24 steps on scenes of 32 pixels, in which the loss halves."""
    values = {"epochs": 1, "batch_size": 4, "log_every": 1, "workers": 0, "threads": 1, "device": "cpu"} | loop
    return replace(
        digit_scenes_segmentation(),
        scenes=SceneSettings(size=32, side=(14, 20), digits=(1, 2), train_scenes=96, val_scenes=7),
        class_weights=None,
        backbone=BACKBONE,
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
    return UperNet(SwinTransformer(BACKBONE), HEAD, num_classes=num_classes).eval()


def segmentor(*, seed: int = 0, num_classes: int = 5, dropout: float = 0.0) -> UperNet:
    """Of four stages, in evaluation mode, with weights large enough that the classes differ."""
    torch.manual_seed(seed)
    config = UperNetConfig(channels=16, auxiliary_channels=8, dropout=dropout)
    model = UperNet(SwinTransformer(FOUR_STAGES), config, num_classes=num_classes)
    with torch.no_grad():
        for head in (model.decode_head, model.auxiliary_head):
            head.conv_seg.weight.normal_()
            head.conv_seg.bias.normal_()
    return model.eval()


def opened(source: str | Path) -> Segmentor:
    return Segmentor.from_file(read_model_file(source), device=CPU)


def picture(*size: int, seed: int = 0) -> torch.Tensor:
    """Random 8-bit values."""
    return torch.randint(0, 256, size, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


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
