"""Small Swins for the properties that other libraries' own tests ask of theirs."""

from __future__ import annotations

import torch
from torch import Tensor

from swinkit import SwinClassifier, SwinConfig, SwinTransformer

SMALL = SwinConfig(embed_dim=8, depths=(1, 2, 1), num_heads=(1, 2, 4), window_size=4, image_size=(64, 64))


def classifier(config: SwinConfig = SMALL, *, num_classes: int = 5) -> SwinClassifier:
    torch.manual_seed(0)
    return SwinClassifier(config, num_classes=num_classes).eval()


def backbone(config: SwinConfig = SMALL) -> SwinTransformer:
    torch.manual_seed(0)
    return SwinTransformer(config).eval()


def pictures(height: int = 64, width: int = 64, *, batch: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(1))
