"""Sparse R-CNN (arXiv 2011.12450): a fixed number of learned proposals, refined in stages, one for each instance.

Shapes: B images, P proposals of an image, C channels, N instances, M matched, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_convert, generalized_box_iou, sigmoid_focal_loss

from swinkit.backbone.contract import Backbone
from swinkit.detection.assigners import assign_one_to_one
from swinkit.detection.box_losses import giou_loss
from swinkit.detection.detector import DetectorModel, Size, at_original_size, check_targets
from swinkit.detection.roi_align import align_regions
from swinkit.detection.sparse_rcnn_head import DynamicHead, ProposalOutputs
from swinkit.errors import InputError
from swinkit.layers.fpn import FPN
from swinkit.layers.pixels import PixelNormalisation
from swinkit.ops.boxes import Stds, decode_boxes
from swinkit.ops.distributed import mean_over_processes
from swinkit.ops.windows import are_symbols
from swinkit.serialization import check_limits, takes_notes
from swinkit.structures import Detections, Instances


@takes_notes
@dataclass(frozen=True)
class SparseRCNN:
    """Every number of a Sparse R-CNN; the defaults are those of the paper's 300 proposals. It finds boxes alone."""

    proposals: int = 300
    """Learned boxes and features; an image gets as many detections."""
    stages: int = 6
    channels: int = 256
    """Width of the feature pyramid and of the proposals' features."""
    heads: int = 8
    """Of the attention among proposals."""
    inner: int = 64
    """Width between the two dynamic convolutions."""
    hidden: int = 2048
    """Width of the feed-forward layers."""
    roi_size: int = 7
    """Side of what is read of each box, in cells."""
    finest_scale: float = 56.0
    """Boxes up to twice this square root of their area, in pixels, are read off the finest level."""
    stds: Stds = (0.5, 0.5, 1.0, 1.0)
    class_weight: float = 2.0
    box_weight: float = 5.0
    iou_weight: float = 2.0
    """Of the class loss, the L1 loss of boxes and their GIoU loss; the matching weighs its costs alike."""

    @property
    def masks(self) -> bool:
        return False

    def __post_init__(self) -> None:
        check_limits(self, {"roi_size": 64})
        if min(self.proposals, self.stages, self.channels, self.heads, self.inner, self.hidden, self.roi_size) < 1:
            raise InputError(f"proposals, stages and widths must be at least 1: {self}")
        if self.channels % self.heads:
            raise InputError(f"channels {self.channels} cannot be cut into {self.heads} heads")

    def build(self, backbone: Backbone, num_classes: int) -> SparseDetector:
        """The detector around `backbone`, with fresh heads for K classes; raises InputError where K is below 1."""
        if num_classes < 1:
            raise InputError(f"a detector needs at least one class, not {num_classes}")
        neck = FPN(backbone.channels, self.channels, extra_levels=0)
        heads = [
            DynamicHead(
                self.channels, self.roi_size, num_classes, heads=self.heads, inner=self.inner, hidden=self.hidden
            )
            for _ in range(self.stages)
        ]
        return SparseDetector(
            backbone,
            neck,
            LearnedProposals(self.proposals, self.channels),
            Stages(heads),
            config=self,
            num_classes=num_classes,
        )

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, int] | None:
        """The published configuration, in the sizes of these weights under official names, and their K."""
        boxes = tensors.get("rpn_head.init_proposal_bboxes.weight")
        if boxes is None:
            return None
        stages = sum(name.endswith("fc_cls.weight") for name in tensors)
        hidden, channels = tensors["roi_head.bbox_head.0.ffn.layers.0.0.weight"].shape
        inner = tensors["roi_head.bbox_head.0.instance_interactive_conv.norm_in.weight"].shape[0]
        config = replace(cls(), proposals=len(boxes), stages=stages, channels=channels, hidden=hidden, inner=inner)
        return config, tensors["roi_head.bbox_head.0.fc_cls.weight"].shape[0]


class LearnedProposals(nn.Module):
    """Boxes (P, 4), as shares of the image, and features (P, C); names are those of the official `rpn_head`."""

    def __init__(self, proposals: int, channels: int) -> None:
        super().__init__()
        self.init_proposal_bboxes = nn.Embedding(proposals, 4)
        self.init_proposal_features = nn.Embedding(proposals, channels)
        with torch.no_grad():
            self.init_proposal_bboxes.weight.copy_(torch.tensor([0.5, 0.5, 1.0, 1.0]))  # centre, width, height

    def forward(self, sizes: Sequence[Size]) -> tuple[Tensor, Tensor]:
        """Boxes (B, P, 4) in pixels of images of these heights and widths, and features (B, P, C)."""
        shares = box_convert(self.init_proposal_bboxes.weight, "cxcywh", "xyxy")
        boxes = shares * _lengths(sizes, shares)[:, None]
        return boxes, self.init_proposal_features.weight.expand(len(sizes), -1, -1)


class Stages(nn.Module):
    """The stages under the name that official files have: `bbox_head`."""

    def __init__(self, heads: Sequence[DynamicHead]) -> None:
        super().__init__()
        self.bbox_head = nn.ModuleList(heads)


class SparseOutputs(NamedTuple):
    """What the network says of a batch."""

    maps: list[Tensor]
    """The pyramid."""
    logits: list[Tensor]
    """(B, P, K) of each stage."""
    boxes: list[Tensor]
    """(B, P, 4) of each stage, in pixels of the padded images, not clipped."""
    sizes: list[Size]


class SparseDetector(DetectorModel):
    """The detector, from its parts; `SparseRCNN().build(...)` puts them together."""

    config: SparseRCNN
    takes_class_weights = True

    def __init__(
        self,
        backbone: Backbone,
        neck: FPN,
        rpn_head: LearnedProposals,
        roi_head: Stages,
        *,
        config: SparseRCNN,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.normalise = PixelNormalisation()
        self.backbone = backbone
        self.neck = neck
        self.rpn_head = rpn_head
        self.roi_head = roi_head

    def forward(
        self, images: Tensor, sizes: Sequence[Size], targets: Sequence[Instances] | None = None
    ) -> SparseOutputs:
        """See `DetectorModel.forward`; targets change nothing. Raises InputError where they do not fit."""
        if targets is not None:
            check_targets(targets, sizes, num_classes=self.num_classes, masks=False)
        config, strides = self.config, self.backbone.strides
        maps = self.neck(self.backbone(self.normalise(images, sizes)))
        boxes, features = self.rpn_head(sizes)
        logits, refined = [], []
        for head in self.roi_head.bbox_head:
            seen = align_regions(maps, strides, list(boxes.detach()), config.roi_size, config.finest_scale, points=2)
            said = cast("ProposalOutputs", head(seen, features))
            features = said.features
            boxes = decode_boxes(boxes, said.deltas, config.stds)
            logits.append(said.logits)
            refined.append(boxes)
            boxes = boxes.detach()
        return SparseOutputs(maps, logits, refined, [(h, w) for h, w in sizes])

    def losses(self, outputs: SparseOutputs, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """`s0.loss_cls` (focal), `s0.loss_bbox` (L1) and `s0.loss_iou` (GIoU), and so on, over matched instances."""
        losses: dict[str, Tensor] = {}
        for number, (logits, boxes) in enumerate(zip(outputs.logits, outputs.boxes, strict=True)):
            found = self._stage_losses(logits, boxes, outputs.sizes, targets)
            losses |= {f"s{number}.{name}": loss for name, loss in found.items()}
        return losses

    def _stage_losses(
        self, logits: Tensor, boxes: Tensor, sizes: Sequence[Size], targets: Sequence[Instances]
    ) -> dict[str, Tensor]:
        classes, found, wanted, lengths, matches = torch.zeros_like(logits), [], [], [], []
        for image, (truth, length) in enumerate(zip(targets, _lengths(sizes, boxes), strict=True)):
            rows, columns = assign_one_to_one(self._cost(logits[image], boxes[image], truth, length))
            classes[image, rows, truth.labels[columns]] = 1
            found.append(boxes[image, rows])
            wanted.append(truth.boxes[columns].float())
            lengths.append(length.expand(len(rows), 4))
            matches.append((rows, columns))
        predicted, true, whwh = torch.cat(found), torch.cat(wanted), torch.cat(lengths)
        # An image batch without any instance would otherwise be divided by 0: at least 1, as in the authors' code.
        count = mean_over_processes(logits.new_tensor(float(len(true)))).clamp(min=1.0)
        weights = self.weights_of_cells(logits.new_ones(logits.shape[:2]), matches, targets)
        cost = sigmoid_focal_loss(logits, classes, alpha=0.25, gamma=2.0, reduction="none") * weights[..., None]
        distance = F.l1_loss(predicted / whwh, true / whwh, reduction="sum")
        overlap = giou_loss(predicted, true, torch.ones_like(predicted[:, 0]))
        nothing = boxes.sum() * 0
        return {
            "loss_cls": self.config.class_weight * cost.sum() / count,
            "loss_bbox": self.config.box_weight * distance / count + nothing,
            "loss_iou": self.config.iou_weight * overlap / count + nothing,
        }

    @torch.no_grad()
    def _cost(self, logits: Tensor, boxes: Tensor, truth: Instances, lengths: Tensor) -> Tensor:
        """What it costs to match each proposal of an image with each of its instances, (P, N)."""
        config, true, p = self.config, truth.boxes.float(), logits.sigmoid()
        negative = 0.75 * p**2 * -(1 - p + 1e-12).log()
        positive = 0.25 * (1 - p) ** 2 * -(p + 1e-12).log()
        classes = (positive - negative)[:, truth.labels]
        distance = torch.cdist(boxes / lengths, true / lengths, p=1)
        return (
            config.class_weight * classes
            + config.box_weight * distance
            - config.iou_weight * generalized_box_iou(boxes, true)
        )

    def class_logits(self, outputs: SparseOutputs, size: Size, *, scale: tuple[float, float] | None = None) -> Tensor:
        """See `DetectorModel.class_logits`."""
        logits = outputs.logits[-1][0].flatten()
        _, order = _best(logits.sigmoid(), self.config.proposals)
        return logits[order]

    @torch.no_grad()
    def postprocess(
        self, outputs: SparseOutputs, sizes: Sequence[Size], *, scales: Sequence[tuple[float, float]] | None = None
    ) -> list[Detections]:
        """See `DetectorModel.postprocess`: the best P pairs of proposal and class, without threshold or NMS."""
        results = []
        for image, (shown, size) in enumerate(zip(outputs.sizes, sizes, strict=True)):
            scores = outputs.logits[-1][image].sigmoid().flatten()
            best, order = _best(scores, self.config.proposals)
            boxes = outputs.boxes[-1][image][order // self.num_classes]
            boxes = at_original_size(boxes, shown, size, None if scales is None else scales[image])
            results.append(Detections(boxes, best, order % self.num_classes, None, size))
        return results


def _best(scores: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """The best pairs of proposal and class, at most `limit`, and their numbers."""
    best, order = scores.topk(min(limit, scores.shape[0]))
    return best, order


def _lengths(sizes: Sequence[Size], like: Tensor) -> Tensor:
    """Width, height, width, height of each image, (B, 4)."""
    if are_symbols(*(side for size in sizes for side in size)):  # of which no tensor of numbers can be made
        return torch.stack([torch.stack([like.new_full((), side) for side in (w, h, w, h)]) for h, w in sizes])
    return like.new_tensor([[w, h, w, h] for h, w in sizes])
