"""The embedded digit scenes as a detection data set: boxes and masks of ten digits, and semantic maps of all pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_masks

from swinkit.detection.data.semantic import SemanticMaps
from swinkit.errors import InputError
from swinkit.images.digit_scenes import DIGITS, SEMANTIC_CLASSES, DigitScenes, SceneSettings, scene_name
from swinkit.structures import Instances
from swinkit.training.progress import watched


class DetectionScenes:
    """`DigitScenes` for detection, see `swinkit.detection.data.samples.DetectionData`; label i is the digit i.

    With `semantic` their maps come with the objects: 0 background, 1..10 the digits.
    """

    classes = DIGITS
    has_masks = True

    def __init__(self, scenes: DigitScenes, *, semantic: bool = False) -> None:
        self.scenes = scenes
        self.semantic = semantic
        self.sizes = [(scenes.settings.size, scenes.settings.size)] * len(scenes)
        self.image_ids = list(range(1, len(scenes) + 1))

    @property
    def class_counts(self) -> list[int]:
        scenes = watched(range(len(self)), "counting the objects of each class")
        labels = torch.cat([self.scenes.scene(index).instances.labels for index in scenes])
        return [int(count) for count in torch.bincount(labels, minlength=len(self.classes))]

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> tuple[Image.Image, Instances]:
        scene = self.scenes.scene(index)
        semantic = torch.from_numpy(scene.semantic) if self.semantic else None
        return scene.image, scene.instances._replace(semantic=semantic)

    def sample_name(self, index: int) -> str:
        return scene_name(self.scenes, index)

    def subset(self, indices: Sequence[int]) -> Self:
        """The scenes at `indices`, in that order."""
        return type(self)(self.scenes.subset(indices))

    def coco(self) -> dict[str, Any]:
        """The ground truth as a COCO dict; category i + 1 is the digit i."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index, image_id in enumerate(self.image_ids):
            height, width = self.sizes[index]
            images.append({"id": image_id, "file_name": self.sample_name(index), "height": height, "width": width})
            instances = self[index][1]
            assert instances.masks is not None
            for box, label, mask in zip(instances.boxes, instances.labels, instances.masks, strict=True):
                left, top, right, bottom = box.tolist()
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": int(label) + 1,
                        "bbox": [left, top, right - left, bottom - top],
                        "area": int(mask.sum()),
                        "segmentation": coco_masks.encode(np.asfortranarray(mask.numpy().astype(np.uint8))),
                        "iscrowd": 0,
                    }
                )
        categories = [{"id": label + 1, "name": name} for label, name in enumerate(self.classes)]
        return {"images": images, "annotations": annotations, "categories": categories}


def open_detection_scenes(
    settings: SceneSettings, *, semantic: SemanticMaps | None = None
) -> tuple[DetectionScenes, DetectionScenes]:
    """Training and validation scenes for detection, the former with semantic maps where they are asked for.

    Raises InputError where `semantic` has fewer classes than the scenes.
    """
    if semantic is not None and semantic.classes < len(SEMANTIC_CLASSES):
        raise InputError(
            f"digit scenes have {len(SEMANTIC_CLASSES)} semantic classes, the background and ten digits, and the "
            f"detector {semantic.classes}; give --detector.semantic-classes {len(SEMANTIC_CLASSES)}, or 0 for none"
        )
    train = DetectionScenes(DigitScenes(settings, "train"), semantic=semantic is not None)
    return train, DetectionScenes(DigitScenes(settings, "val"))
