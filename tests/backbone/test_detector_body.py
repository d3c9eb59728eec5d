"""A torchvision detector takes the backbone as its body, through its own feature pyramid."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork

from swinkit import SwinConfig, SwinTransformer

SMALL = SwinConfig(embed_dim=8, depths=(2, 2), num_heads=(1, 2), window_size=4)


class Pyramid(nn.Module):
    """What torchvision calls a backbone: images to named maps of `out_channels` each."""

    def __init__(self, swin: SwinTransformer, out_channels: int) -> None:
        super().__init__()
        self.swin, self.out_channels = swin, out_channels
        self.fpn = FeaturePyramidNetwork(list(swin.channels), out_channels)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.fpn({str(level): feature for level, feature in enumerate(self.swin(images))})


@pytest.mark.parametrize("detector", [FasterRCNN, MaskRCNN])
def test_trains_and_detects(detector: type[FasterRCNN]) -> None:
    torch.manual_seed(0)
    body = Pyramid(SwinTransformer(SMALL), out_channels=8)
    anchors = AnchorGenerator(sizes=((16,), (32,)), aspect_ratios=((1.0,),) * 2)
    model = detector(body, num_classes=3, min_size=64, max_size=96, rpn_anchor_generator=anchors)
    images = [torch.rand(3, 64, 96), torch.rand(3, 50, 70)]
    masks = torch.zeros(1, 64, 96, dtype=torch.uint8)
    masks[:, 10:40, 20:60] = 1
    target = {"boxes": torch.tensor([[20.0, 10.0, 60.0, 40.0]]), "labels": torch.tensor([1])}
    losses = model(images, [target | {"masks": masks}, target | {"masks": masks[:, :50, :70]}])
    sum(losses.values()).backward()
    gradients = [parameter.grad for parameter in body.swin.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)
    with torch.no_grad():
        detections = model.eval()(images)
    assert [set(detection) >= {"boxes", "labels", "scores"} for detection in detections] == [True, True]
