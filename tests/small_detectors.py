"""Tiny detectors for small images, and scenes of rectangles as their objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.detection.config import CASCADE_MASK_RCNN, MASK_RCNN, DetectorConfig, ProposalConfig
from swinkit.detection.model import RCNN, DetectorOutputs
from swinkit.ops.normalization import normalised_batch
from swinkit.structures import Instances

BACKBONE = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(64, 64))
CLASSES = 3
SIZES = ((50, 64), (61, 40))
"""Height and width of two images, which are padded to (64, 64)."""


def tiny(config: DetectorConfig) -> DetectorConfig:
    few = ProposalConfig(before_nms=50, kept=30)
    return replace(
        config,
        channels=8,
        fc_channels=12,
        mask_convs=1,
        mask_roi_size=4,
        finest_scale=8.0,
        rpn=replace(config.rpn, scales=(2.0,), training=few, inference=few),
    )


TINY_MASK, TINY_CASCADE = tiny(MASK_RCNN), tiny(CASCADE_MASK_RCNN)
BOTH = {"mask_rcnn": TINY_MASK, "cascade": TINY_CASCADE}


def detector(config: DetectorConfig = TINY_MASK, *, has_masks: bool = True, seed: int = 0) -> RCNN:
    torch.manual_seed(seed)
    return RCNN(SwinTransformer(BACKBONE), config, num_classes=CLASSES, has_masks=has_masks)


def objects(size: tuple[int, int], boxes: Sequence[Sequence[float]], labels: Sequence[int]) -> Instances:
    """Objects that fill their boxes."""
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[int(top) : int(bottom), int(left) : int(right)] = True
    return Instances(torch.tensor(boxes, dtype=torch.float32).view(-1, 4), torch.tensor(labels).long(), masks)


def scene() -> list[Instances]:
    """Objects of the two images: three, then one."""
    first = objects(SIZES[0], [[4, 4, 20, 18], [30, 10, 60, 40], [5, 30, 17, 48]], [0, 1, 2])
    return [first, objects(SIZES[1], [[8, 20, 33, 55]], [2])]


def nothing() -> list[Instances]:
    return [objects(size, [], []) for size in SIZES]


def pictures(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator) for size in SIZES]


def outputs_of(model: RCNN, images: list[Tensor] | None = None) -> DetectorOutputs:
    images = images or pictures()
    return model(normalised_batch(images), [(image.shape[1], image.shape[2]) for image in images])
