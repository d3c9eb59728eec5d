"""Tiny detectors for small images, and scenes of rectangles as their ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swinkit.backbone.swin import SwinConfig
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.rcnn import RCNN, RCNNConfig, RCNNOutputs
from swinkit.detection.rpn import ProposalConfig
from swinkit.layers.pixels import pad_batch
from swinkit.structures import Instances

BACKBONE = SwinConfig(embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(64, 64))
CLASSES = 3
SIZES = [(50, 64), (61, 40)]
"""Height and width of two images, which are padded to (64, 64)."""


def small(config: RCNNConfig, **values: Any) -> RCNNConfig:
    few = ProposalConfig(pre_nms=50, post_nms=30)
    rpn = replace(config.rpn, scales=(2.0,), training=few, inference=few)
    narrow = {"channels": 8, "fc_channels": 12, "mask_convs": 1, "mask_roi_size": 4, "finest_scale": 8.0, "rpn": rpn}
    return replace(config, **narrow | values)


SMALL_MASK, SMALL_CASCADE = small(MaskRCNN()), small(CascadeMaskRCNN())
BOTH = {"mask_rcnn": SMALL_MASK, "cascade": SMALL_CASCADE}


def detector(config: RCNNConfig = SMALL_MASK, *, seed: int = 0) -> RCNN:
    torch.manual_seed(seed)
    return config.build(BACKBONE.build(), CLASSES)


def draw_weights(model: nn.Module, scale: float, *, seed: int = 0) -> None:
    """Weights, but not biases, of so many standard deviations of usual ones; the same with every version of PyTorch."""
    generator = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                values = generator.normal(0, scale / parameter[0].numel() ** 0.5, tuple(parameter.shape))
                parameter.copy_(torch.from_numpy(values))


def instances(size: tuple[int, int], boxes: Sequence[Sequence[float]], labels: Sequence[int]) -> Instances:
    """Instances that fill their boxes."""
    masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[int(top) : int(bottom), int(left) : int(right)] = True
    return Instances(torch.tensor(boxes, dtype=torch.float32).view(-1, 4), torch.tensor(labels).long(), masks)


def scene() -> list[Instances]:
    """Instances of the two images: three, then one."""
    first = instances(SIZES[0], [[4, 4, 20, 18], [30, 10, 60, 40], [5, 30, 17, 48]], [0, 1, 2])
    return [first, instances(SIZES[1], [[8, 20, 33, 55]], [2])]


def nothing() -> list[Instances]:
    return [instances(size, [], []) for size in SIZES]


def pictures(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator) for size in SIZES]


def outputs_of(
    model: RCNN, targets: Sequence[Instances] | None = None, *, images: list[Tensor] | None = None
) -> RCNNOutputs:
    return model(*pad_batch(images or pictures()), targets)


def losses_of(model: RCNN, targets: Sequence[Instances], *, images: list[Tensor] | None = None) -> dict[str, Tensor]:
    return model.losses(outputs_of(model, targets, images=images), targets)
