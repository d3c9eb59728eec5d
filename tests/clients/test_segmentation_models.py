"""segmentation_models_pytorch: its decoders take a backbone's features as they are (docs/other-tools.md)."""

from dataclasses import replace

import pytest
import torch
from peer_models import SMALL, backbone, pictures
from torch import nn

smp = pytest.importorskip("segmentation_models_pytorch")

FOUR_STAGES = replace(SMALL, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8))


class Segmentor(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = backbone(FOUR_STAGES)
        self.decoder = smp.decoders.fpn.decoder.FPNDecoder(encoder_channels=[3, 0, *self.encoder.channels])
        self.head = smp.base.SegmentationHead(self.decoder.out_channels, classes, upsampling=4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.decoder(self.encoder(images)))


def test_fpn_decoder_trains() -> None:
    model = Segmentor(3)
    logits = model(pictures(64, 96))
    assert logits.shape == (2, 3, 64, 96)
    smp.losses.DiceLoss("multiclass")(logits, torch.zeros(2, 64, 96, dtype=torch.long)).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
