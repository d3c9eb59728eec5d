"""Any backbone as torchvision's detectors take one: maps of one width under names, and `out_channels`.

Shapes: B images, H W image, C channels, D width of the pyramid.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool

from swinkit.backbone.contract import Backbone


class BackboneWithFPN(nn.Module):
    """A backbone under torchvision's feature pyramid network: `FasterRCNN(BackboneWithFPN(backbone), num_classes=3)`.

    torchvision's class of this name takes networks whose parts run one after the other; a Swin's output norms lie
    beside its stages, so `body` is the whole backbone here. All else, with the names of `fpn`, is the same.

    Args:
        backbone: any module that keeps the contract of `Backbone`.
        out_channels: D.
        extra_blocks: what makes coarser maps: torchvision's `LastLevelMaxPool` by default, `LastLevelP6P7` for
            RetinaNet.
    """

    def __init__(
        self, backbone: Backbone, out_channels: int = 256, *, extra_blocks: ExtraFPNBlock | None = None
    ) -> None:
        super().__init__()
        self.body: Backbone = backbone
        extra_blocks = LastLevelMaxPool() if extra_blocks is None else extra_blocks
        self.fpn = FeaturePyramidNetwork(list(backbone.channels), out_channels, extra_blocks)
        self.out_channels = out_channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W) to (B, D, H_i, W_i) under "0", "1", ... and the names of the coarser ones, finest first."""
        features: dict[str, Tensor] = self.fpn(OrderedDict((str(i), x) for i, x in enumerate(self.body(images))))
        return features
