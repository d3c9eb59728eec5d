"""The region proposal network: where something could be (arXiv 1506.01497).

Shapes: B images, C channels, H W map, A anchors of a cell, M anchors of all levels, P proposals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import batched_nms

from swinkit.detection.anchors import boxes_inside, cells_inside, level_anchors
from swinkit.detection.config import ProposalConfig, RPNConfig
from swinkit.detection.matcher import match_boxes
from swinkit.detection.sampler import choose
from swinkit.ops.boxes import decode_boxes, encode_boxes

Size = tuple[int, int]


class RPNOutputs(NamedTuple):
    """What the network says of every anchor, for each level."""

    objectness: list[Tensor]
    """Logits (B, A, H, W)."""
    deltas: list[Tensor]
    """Encoded boxes (B, 4 A, H, W)."""


class Proposals(NamedTuple):
    """Boxes of one image that may hold an object, best first."""

    boxes: Tensor
    """(P, 4), within the image."""
    scores: Tensor
    """(P,), 0..1."""


class RPNHead(nn.Module):
    """Levels of a pyramid to objectness and boxes of their anchors, and from these to losses and proposals.

    Parameter names are those of the official code's `rpn_head`; weights are drawn as there (normal of 0.01).

    Args:
        channels: C.
        strides: of the levels, in pixels.
        config: anchors, matching, sampling, proposals.
    """

    def __init__(self, channels: int, strides: Sequence[int], config: RPNConfig) -> None:
        super().__init__()
        self.config = config
        self.strides = tuple(strides)
        self.anchors_of_cell = len(config.scales) * len(config.ratios)
        self.rpn_conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.rpn_cls = nn.Conv2d(channels, self.anchors_of_cell, 1)
        self.rpn_reg = nn.Conv2d(channels, 4 * self.anchors_of_cell, 1)
        for layer in (self.rpn_conv, self.rpn_cls, self.rpn_reg):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias) if layer.bias is not None else None

    def forward(self, maps: Sequence[Tensor]) -> RPNOutputs:
        hidden = [F.relu(self.rpn_conv(x)) for x in maps]
        return RPNOutputs([self.rpn_cls(x) for x in hidden], [self.rpn_reg(x) for x in hidden])

    def anchors(self, outputs: RPNOutputs) -> list[Tensor]:
        """The anchors of each level, (H * W * A, 4)."""
        scales, ratios = tuple(self.config.scales), tuple(self.config.ratios)
        return [
            level_anchors(x.shape[2], x.shape[3], stride, scales, ratios, x.device)
            for x, stride in zip(outputs.objectness, self.strides, strict=True)
        ]

    @torch.no_grad()
    def proposals(self, outputs: RPNOutputs, sizes: Sequence[Size], config: ProposalConfig) -> list[Proposals]:
        """Proposals of every image; `sizes` are the images' heights and widths without padding."""
        anchors = self.anchors(outputs)
        levels = [
            (logits.permute(0, 2, 3, 1).flatten(1).float().sigmoid(), _as_rows(deltas))
            for logits, deltas in zip(outputs.objectness, outputs.deltas, strict=True)
        ]
        return [
            self._proposals_of_image([(s[image], d[image]) for s, d in levels], anchors, size, config)
            for image, size in enumerate(sizes)
        ]

    def _proposals_of_image(
        self, levels: list[tuple[Tensor, Tensor]], anchors: list[Tensor], size: Size, config: ProposalConfig
    ) -> Proposals:
        boxes, scores, numbers = [], [], []
        for place, ((score, deltas), level) in enumerate(zip(levels, anchors, strict=True)):
            best, order = score.topk(min(config.before_nms, len(score)))
            boxes.append(decode_boxes(level[order], deltas[order], self.config.stds, size))
            scores.append(best)
            numbers.append(torch.full_like(order, place))
        flat, score, number = torch.cat(boxes), torch.cat(scores), torch.cat(numbers)
        large = (flat[:, 2:] - flat[:, :2] > config.min_size).all(1)
        flat, score, number = flat[large], score[large], number[large]
        kept = batched_nms(flat, score, number, config.nms_iou)[: config.kept]
        return Proposals(flat[kept], score[kept])

    def losses(
        self, outputs: RPNOutputs, objects: Sequence[Tensor], sizes: Sequence[Size], padded: Sequence[Size]
    ) -> dict[str, Tensor]:
        """Objectness (binary cross entropy) and box loss over sampled anchors, both divided by their number.

        Args:
            outputs: of `forward`.
            objects: boxes (N, 4) of each image.
            sizes: the images' heights and widths without padding.
            padded: each image's own padded height and width; anchors beyond, where only larger images of the batch
                are, are not learned from.
        """
        levels = self.anchors(outputs)
        anchors = torch.cat(levels)
        logits = torch.cat([x.permute(0, 2, 3, 1).flatten(1) for x in outputs.objectness], 1).float()  # (B, M)
        deltas = torch.cat([_as_rows(x) for x in outputs.deltas], 1).float()  # (B, M, 4)
        objectness, box, count = logits.sum() * 0, deltas.sum() * 0, 0
        for image, targets in enumerate(objects):
            foreground, background, matches = self._sampled(outputs, anchors, targets, sizes[image], padded[image])
            truth = logits.new_zeros(len(foreground) + len(background))
            truth[: len(foreground)] = 1
            chosen = torch.cat([foreground, background])
            objectness = objectness + F.binary_cross_entropy_with_logits(logits[image, chosen], truth, reduction="sum")
            wanted = encode_boxes(anchors[foreground], targets[matches], self.config.stds)
            box = box + box_distance(deltas[image, foreground], wanted, self.config.beta)
            count += max(1, len(foreground)) + max(1, len(background))
        return {"loss_rpn_cls": objectness / count, "loss_rpn_bbox": box / count}

    @torch.no_grad()
    def _sampled(
        self, outputs: RPNOutputs, anchors: Tensor, objects: Tensor, size: Size, padded: Size
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Numbers of the foreground and background anchors to learn from, and the objects of the former."""
        inside = torch.cat(
            [
                cells_inside((x.shape[2], x.shape[3]), stride, padded, self.anchors_of_cell, anchors)
                for x, stride in zip(outputs.objectness, self.strides, strict=True)
            ]
        )
        if self.config.border is not None:
            inside &= boxes_inside(anchors, size, self.config.border)
        numbers = torch.nonzero(inside)[:, 0]
        matches = match_boxes(objects, anchors[numbers], self.config.matcher)
        foreground, background = choose(matches, self.config.sampler)
        return numbers[foreground], numbers[background], matches[foreground]


def box_distance(predicted: Tensor, wanted: Tensor, beta: float) -> Tensor:
    """The sum of L1 differences, smooth below `beta`."""
    if beta > 0:
        return F.smooth_l1_loss(predicted, wanted, beta=beta, reduction="sum")
    return F.l1_loss(predicted, wanted, reduction="sum")


def _as_rows(deltas: Tensor) -> Tensor:
    """(B, 4 A, H, W) to (B, H * W * A, 4), in the order of the anchors."""
    return deltas.permute(0, 2, 3, 1).reshape(len(deltas), -1, 4)
