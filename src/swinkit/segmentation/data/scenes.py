"""The embedded digit scenes as a segmentation data set, see `swinkit.images.digit_scenes`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from PIL import Image

from swinkit.images.digit_scenes import SEMANTIC_CLASSES, DigitScenes, SceneSettings, scene_name


class SegmentationScenes:
    """`DigitScenes` for segmentation: `data[index]` is (RGB image, labels (H, W) uint8 of `SEMANTIC_CLASSES`)."""

    classes = SEMANTIC_CLASSES

    def __init__(self, scenes: DigitScenes) -> None:
        self.scenes = scenes

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> tuple[Image.Image, np.ndarray]:
        scene = self.scenes.scene(index)
        return scene.image, scene.semantic

    def labels(self, index: int) -> np.ndarray:
        return self.scenes.scene(index).semantic

    def sample_name(self, index: int) -> str:
        return scene_name(self.scenes, index)

    def subset(self, indices: Sequence[int]) -> Self:
        """The scenes at `indices`, in that order."""
        return type(self)(self.scenes.subset(indices))


def open_segmentation_scenes(settings: SceneSettings) -> tuple[SegmentationScenes, SegmentationScenes]:
    """Training and validation scenes for segmentation."""
    return SegmentationScenes(DigitScenes(settings, "train")), SegmentationScenes(DigitScenes(settings, "val"))
