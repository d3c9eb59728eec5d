"""The semantic branch of HTC (arXiv 1901.07518, section 3.3): a class for every cell, and features for the regions.

Shapes: B images, C channels, H_i W_i maps of the pyramid, h w image, S classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.layers.conv import ConvReLU
from swinkit.ops.labels import IGNORE
from swinkit.structures import Instances


class SemanticOutputs(NamedTuple):
    """What the branch says of a batch."""

    logits: Tensor
    """(B, S, H_i, W_i) at the fused level."""
    features: Tensor
    """(B, C, H_i, W_i): what is added to the features of regions."""


class SemanticHead(nn.Module):
    """All levels of a pyramid, brought to the size of one and added, to classes and features there.

    Names are those of the official code's `semantic_head`; weights are drawn as there (Kaiming normal over the fan
    out).

    Args:
        channels: C.
        num_classes: S.
        levels: maps of the pyramid.
        fusion_level: the one whose size is taken; the published 1 has stride 8.
        convs: 3 x 3 convolutions on the sum.
    """

    def __init__(self, channels: int, num_classes: int, *, levels: int, fusion_level: int = 1, convs: int = 4) -> None:
        super().__init__()
        self.fusion_level = fusion_level
        self.lateral_convs = nn.ModuleList(ConvReLU(channels, channels, 1) for _ in range(levels))
        self.convs = nn.ModuleList(ConvReLU(channels, channels, 3) for _ in range(convs))
        self.conv_embedding = ConvReLU(channels, channels, 1)
        self.conv_logits = nn.Conv2d(channels, num_classes, 1)
        nn.init.kaiming_normal_(self.conv_logits.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.conv_logits.bias)  # type: ignore[arg-type]  # torch calls it optional; here it is there

    def forward(self, maps: Sequence[Tensor]) -> SemanticOutputs:
        """The pyramid, (B, C, H_i, W_i) each, finest first."""
        size = maps[self.fusion_level].shape[2:]
        x = self.lateral_convs[self.fusion_level](maps[self.fusion_level])
        for level, (convolve, each) in enumerate(zip(self.lateral_convs, maps, strict=True)):
            if level != self.fusion_level:
                x = x + convolve(F.interpolate(each, size=size, mode="bilinear", align_corners=True))
        for convolve in self.convs:
            x = convolve(x)
        return SemanticOutputs(self.conv_logits(x), self.conv_embedding(x))


def semantic_loss(
    logits: Tensor,
    targets: Sequence[Instances],
    *,
    stride: int,
    padding: int = IGNORE,
    mean: Literal["valid", "all"] = "valid",
) -> Tensor:
    """Mean cross entropy of the cells, each compared with the pixel at its upper left.

    Args:
        logits: (B, S, H_i, W_i).
        targets: ground truth, each with `semantic` (h, w), classes 0..S-1, 255 ignored.
        stride: pixels between cells.
        padding: the class of the pixels between an image and the padded batch.
        mean: over the cells with a class (mmdetection 2, of which the paper's code is), or over all of them, those that
            are ignored counting as 0 (mmdetection 3).
    """
    height, width = logits.shape[2:]
    wanted = torch.full((len(targets), height, width), padding, dtype=torch.int64, device=logits.device)
    for number, target in enumerate(targets):
        assert target.semantic is not None
        cells = target.semantic[::stride, ::stride]
        wanted[number, : cells.shape[0], : cells.shape[1]] = cells
    summed = F.cross_entropy(logits.float(), wanted, ignore_index=IGNORE, reduction="sum")
    count = wanted.numel() if mean == "all" else (wanted != IGNORE).sum().clamp(min=1)
    return summed / count
