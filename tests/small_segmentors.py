"""Segmentors small enough for every test."""

import torch

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.segmentation.model import UperNet, UperNetConfig

SMALL = SwinConfig(embed_dim=8, depths=(1, 1, 2, 1), num_heads=(1, 1, 2, 2), window_size=4)


def segmentor(*, seed: int = 0, num_classes: int = 5, dropout: float = 0.0) -> UperNet:
    """In evaluation mode, with weights large enough that the classes differ."""
    torch.manual_seed(seed)
    model = UperNet(
        SwinTransformer(SMALL),
        UperNetConfig(channels=16, auxiliary_channels=8, dropout=dropout),
        num_classes=num_classes,
    )
    with torch.no_grad():
        for head in (model.decode_head, model.auxiliary_head):
            head.conv_seg.weight.normal_()
            head.conv_seg.bias.normal_()
    return model.eval()


def picture(*size: int, seed: int = 0) -> torch.Tensor:
    """Random 8-bit values."""
    return torch.randint(0, 256, size, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
