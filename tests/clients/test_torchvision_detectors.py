"""torchvision's detectors around a Swin."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN, MaskRCNN, RetinaNet
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from swinkit import BackboneWithFPN, SwinConfig, SwinTransformer

SMALL = SwinConfig(embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8), window_size=4)


def retina(num_classes: int) -> nn.Module:
    backbone = SwinTransformer(replace(SMALL, out_stages=(1, 2, 3)))
    return RetinaNet(BackboneWithFPN(backbone, extra_blocks=LastLevelP6P7(256, 256)), num_classes)


DETECTORS = {
    "faster": lambda k: FasterRCNN(BackboneWithFPN(SwinTransformer(SMALL)), k),
    "mask": lambda k: MaskRCNN(BackboneWithFPN(SwinTransformer(SMALL), 64), k),
    "retina": retina,
}


@pytest.mark.parametrize("name", DETECTORS)
def test_trains_and_finds(name: str) -> None:
    torch.manual_seed(0)
    model = DETECTORS[name](3)
    images = [torch.rand(3, 90, 120), torch.rand(3, 100, 80)]
    box = torch.tensor([[10.0, 10.0, 60.0, 70.0]])
    masks = [torch.zeros(1, *image.shape[1:], dtype=torch.uint8) for image in images]
    targets = [{"boxes": box, "labels": torch.tensor([1]), "masks": mask} for mask in masks]
    model.transform.min_size, model.transform.max_size = (128,), 160
    losses = model(images, targets)
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.backbone.body.parameters())
    found = model.eval()(images)
    assert len(found) == 2
    assert all(each["boxes"].shape[1] == 4 for each in found)


def test_levels() -> None:
    maps = BackboneWithFPN(SwinTransformer(SMALL), 32)(torch.rand(1, 3, 64, 96))
    assert {name: tuple(x.shape[1:]) for name, x in maps.items()} == {
        "0": (32, 16, 24),
        "1": (32, 8, 12),
        "2": (32, 4, 6),
        "3": (32, 2, 3),
        "pool": (32, 1, 2),
    }
