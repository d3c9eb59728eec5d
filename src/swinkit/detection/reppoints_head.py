"""The head of RepPoints v2 (arXiv 2007.08508): points for boxes, corner heat maps, a semantic map, classes.

Shapes: B images, C channels, H W map, K classes; points are 9 pairs (y, x), so 18 channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.detection.corner_pool import CornerPool
from swinkit.layers.conv import ConvGroupNorm
from swinkit.ops.deform_conv import deformed_conv

PRIOR = -4.59512
"""Bias of what is rare: a probability of 0.01."""
GRADIENT_SHARE = 0.1
"""How much of the gradient of the deformable convolutions reaches the first points."""
POINTS = 9


class PointOutputs(NamedTuple):
    """What the head says of one level."""

    logits: Tensor
    """(B, K, H, W)."""
    first: Tensor
    """Points (B, 18, H, W) in strides, relative to their cell."""
    refined: Tensor
    """The same, corrected."""
    corners: Tensor
    """Heat map logits (B, 2, H, W): top left, bottom right."""
    offsets: Tensor
    """(B, 4, H, W): x, y of the top left corner within its cell, in strides; of the bottom right one."""
    semantic: Tensor
    """Logits (B, K, H, W) of what class's box a place lies in."""
    tower: Tensor
    """(B, C, H, W): what the classes are made of, behind the deformable convolution."""


class RepPointsHead(nn.Module):
    """Maps (B, C, H, W) to `PointOutputs`. Names are those of the official `bbox_head`; weights are drawn as there.

    Args:
        channels: C.
        num_classes: K.
        convs: of the class and of the point tower.
        shared_convs: behind the point tower, for corners and the semantic map.
        corner_channels: inside the corner pooling.
        groups: of group norm.
    """

    def __init__(
        self, channels: int, num_classes: int, *, convs: int, shared_convs: int, corner_channels: int, groups: int
    ) -> None:
        super().__init__()

        def tower(layers: int) -> nn.ModuleList:
            return nn.ModuleList(ConvGroupNorm(channels, channels, 3, groups=groups) for _ in range(layers))

        self.cls_convs, self.reg_convs, self.shared_convs = tower(convs), tower(convs), tower(shared_convs)
        self.hem_tl = CornerPool(channels, corner_channels, corner="top_left", groups=groups)
        self.hem_br = CornerPool(channels, corner_channels, corner="bottom_right", groups=groups)
        self.reppoints_hem_tl_score_out = nn.Conv2d(channels, 1, 3, padding=1)
        self.reppoints_hem_br_score_out = nn.Conv2d(channels, 1, 3, padding=1)
        self.reppoints_hem_tl_offset_out = nn.Conv2d(channels, 2, 3, padding=1)
        self.reppoints_hem_br_offset_out = nn.Conv2d(channels, 2, 3, padding=1)
        self.reppoints_sem_out = nn.Conv2d(channels, num_classes, 1)
        self.reppoints_sem_embedding = ConvGroupNorm(channels, channels, 1, groups=groups)
        self.reppoints_pts_init_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.reppoints_pts_init_out = nn.Conv2d(channels, 2 * POINTS, 1)
        self.reppoints_cls_conv = nn.Conv2d(channels + 6, channels, 3, padding=1, bias=False)
        self.reppoints_cls_out = nn.Conv2d(channels, num_classes, 1)
        self.reppoints_pts_refine_conv = nn.Conv2d(channels + 6, channels, 3, padding=1, bias=False)
        self.reppoints_pts_refine_out = nn.Conv2d(channels, 2 * POINTS, 1)
        self._initialise()

    def _initialise(self) -> None:
        rare = ("hem_tl_score_out", "hem_br_score_out", "sem_out", "cls_out")
        for name, module in self.named_children():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.constant_(module.bias, PRIOR if name.endswith(rare) else 0.0)
        embedding = self.reppoints_sem_embedding.conv
        nn.init.kaiming_normal_(embedding.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, maps: Sequence[Tensor]) -> list[PointOutputs]:
        return [self._level(x) for x in maps]

    def _level(self, x: Tensor) -> PointOutputs:
        classes, points = x, x
        for convolve in self.cls_convs:
            classes = convolve(classes)
        for convolve in self.reg_convs:
            points = convolve(points)
        shared = points
        for convolve in self.shared_convs:
            shared = convolve(shared)
        embedding = self.reppoints_sem_embedding(shared)
        classes, points = classes + embedding, points + embedding
        corners, offsets = self._corners(shared + embedding)
        first = self.reppoints_pts_init_out(F.relu(self.reppoints_pts_init_conv(points)))
        where = _sampled_at(first)
        hints = torch.cat([corners, offsets], 1)
        tower = F.relu(deformed_conv(torch.cat([classes, hints], 1), where, self.reppoints_cls_conv.weight))
        moved = F.relu(deformed_conv(torch.cat([points, hints], 1), where, self.reppoints_pts_refine_conv.weight))
        refined = self.reppoints_pts_refine_out(moved) + first.detach()
        semantic = self.reppoints_sem_out(shared)
        return PointOutputs(self.reppoints_cls_out(tower), first, refined, corners, offsets, semantic, tower)

    def _corners(self, x: Tensor) -> tuple[Tensor, Tensor]:
        top_left, bottom_right = self.hem_tl(x), self.hem_br(x)
        scores = [self.reppoints_hem_tl_score_out(top_left), self.reppoints_hem_br_score_out(bottom_right)]
        offsets = [self.reppoints_hem_tl_offset_out(top_left), self.reppoints_hem_br_offset_out(bottom_right)]
        return torch.cat(scores, 1), torch.cat(offsets, 1)


def _sampled_at(first: Tensor) -> Tensor:
    """Offsets of a 3 x 3 deformable convolution whose nine places are the points."""
    steps = torch.arange(-1, 2, device=first.device, dtype=first.dtype)
    base = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1).reshape(1, -1, 1, 1)  # y, x of each place
    return (1 - GRADIENT_SHARE) * first.detach() + GRADIENT_SHARE * first - base
