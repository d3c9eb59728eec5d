"""Time against image area: windows make it linear, where global attention is quadratic (equations 1 and 2).

Shapes: B images, H W map, C channels.
"""

from __future__ import annotations

import torch
from torch import nn

from swinkit.backbone.swin import SwinTransformer
from swinkit.backbone.variants import VARIANTS
from swinkit.benchmark.candidates import Candidate, Case, runner


class GlobalBlocks(nn.Module):
    """A plain ViT of the width of DeiT-S (patch 16, 384 channels, 6 heads, 12 layers) without a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 384, 16, 16)
        layer = nn.TransformerEncoderLayer(
            384, 6, 4 * 384, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.blocks(self.patch(images).flatten(2).transpose(1, 2))


def measure_area(case: Case) -> list[Candidate]:
    """The pyramid of a Swin Transformer and a plain ViT of about the operations of Swin-T, at the case's size."""
    swin = SwinTransformer(VARIANTS[case.model]).eval().to(case.device)
    vit = GlobalBlocks().eval().to(case.device)
    return [Candidate(case.model, runner(case, swin)), Candidate("ViT-S/16 without windows", runner(case, vit))]
