"""Detectors of regions on a feature pyramid: what Mask R-CNN and Cascade Mask R-CNN share (paper section 4.2).

Shapes: B images, H W padded batch, h w image without padding, N instances, R detections, M side of a mask, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from swinkit.backbone.contract import Backbone
from swinkit.detection.box_head import BoxHead, box_head_losses, deltas_of
from swinkit.detection.detector import DetectorModel, Size, at_original_size, check_targets
from swinkit.detection.inference import Found
from swinkit.detection.mask_head import MaskHead, mask_loss, mask_targets, of_class
from swinkit.detection.region_views import ScoredBoxes, detect_in_views
from swinkit.detection.roi_head import RegionSettings, RoIHead, RoIOutputs, StageConfig, StageOutputs, mean_logits
from swinkit.detection.rpn import AnchorSamples, Proposals, RPNConfig, RPNHead, RPNOutputs
from swinkit.detection.semantic_head import SemanticHead
from swinkit.detection.views import View
from swinkit.errors import InputError
from swinkit.layers.fpn import FPN
from swinkit.layers.pixels import PixelNormalisation, pad_batch
from swinkit.ops.boxes import decode_boxes
from swinkit.serialization import check_limits
from swinkit.structures import Detections, Instances


@dataclass(frozen=True)
class RCNNConfig(RegionSettings):
    """Every number of an R-CNN with a feature pyramid."""

    masks: bool = True
    """Mask heads beside the box heads; without them it learns from boxes alone."""
    channels: int = 256
    """Width of the feature pyramid, the proposal network and the heads."""
    extra_levels: int = 1
    """Coarser levels of the pyramid, for proposals alone, each by taking every other cell."""
    rpn: RPNConfig = field(default_factory=RPNConfig)
    stages: tuple[StageConfig, ...] = (StageConfig(),)
    shared_convs: int = 0
    """3 x 3 convolutions of a box head."""
    conv_norm: bool = True
    """Whether they have batch norm, else a bias."""
    shared_fcs: int = 2
    """Fully connected layers of a box head after these."""
    fc_channels: int = 1024
    decoded_regression: bool = False
    """Boxes are learned by GIoU loss (arXiv 1902.09630) on the boxes themselves, else by L1 loss on their encoding."""
    box_beta: float = 0.0
    """Differences of encoded boxes below it are squared (smooth L1); 0 squares none."""
    box_weight: float = 1.0
    """What the box loss is multiplied with."""
    class_agnostic: bool = False
    """One box for a region, instead of one for each class."""
    mask_convs: int = 4

    names_stages: ClassVar[bool] = False
    """Whether losses are called after their stage: `s0.loss_cls`."""
    is_hybrid: ClassVar[bool] = False
    """Whether files of it have what `is_hybrid` looks for."""

    def __post_init__(self) -> None:
        check_limits(self, {"extra_levels": 8, "roi_size": 64, "mask_roi_size": 64, "detections": 10_000})
        counts = (self.channels, self.roi_size, self.fc_channels, self.mask_roi_size, self.detections, len(self.stages))
        if min(counts) < 1 or min(self.extra_levels, self.shared_convs, self.mask_convs) < 0 or self.shared_fcs < 1:
            raise InputError(f"widths, sizes, layers, stages and detections of a detector must be at least 1: {self}")

    def build(self, backbone: Backbone, num_classes: int) -> RCNN:
        """The detector around `backbone`, with fresh heads for K classes; raises InputError where K is below 1."""
        if num_classes < 1:
            raise InputError(f"a detector needs at least one class, not {num_classes}")
        strides = list(backbone.strides)
        coarser = [strides[-1] * 2**level for level in range(1, self.extra_levels + 1)]
        neck = FPN(backbone.channels, self.channels, extra_levels=self.extra_levels)
        rpn_head = RPNHead(self.channels, strides + coarser, self.rpn)
        boxes = [self._box_head(num_classes) for _ in self.stages]
        masks = self._mask_heads(num_classes) if self.masks else []
        semantic = self._semantic_head(strides + coarser)
        roi_head = RoIHead(boxes, masks, semantic, stages=self.stages, strides=strides, settings=self)
        return self.detector_class(backbone, neck, rpn_head, roi_head, config=self, num_classes=num_classes)

    @property
    def detector_class(self) -> type[RCNN]:
        return RCNN

    def _mask_heads(self, num_classes: int) -> list[MaskHead]:
        return [MaskHead(self.channels, num_classes, convs=self.mask_convs) for _ in self.stages]

    def _semantic_head(self, strides: Sequence[int]) -> SemanticHead | None:
        """The semantic branch on a pyramid of these strides; none unless a subclass has one."""
        return None

    def _box_head(self, num_classes: int) -> BoxHead:
        return BoxHead(
            self.channels,
            self.roi_size,
            num_classes,
            convs=self.shared_convs,
            conv_norm=self.conv_norm,
            fcs=self.shared_fcs,
            fc_channels=self.fc_channels,
            class_agnostic=self.class_agnostic,
        )

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, int] | None:
        """The published configuration, in the widths of these weights under official names, and their K."""
        stages = [stage for stage in range(9) if f"roi_head.bbox_head.{stage}.fc_cls.weight" in tensors]
        if is_hybrid(tensors) != cls.is_hybrid:
            return None
        if len(stages) != len(cls().stages) or "neck.lateral_convs.0.conv.weight" not in tensors:
            return None
        classes, width = tensors["roi_head.bbox_head.0.fc_cls.weight"].shape
        config = replace(
            cls(),
            channels=tensors["neck.lateral_convs.0.conv.weight"].shape[0],
            fc_channels=width,
            masks=any(name.startswith("roi_head.mask_head.") for name in tensors),
        )
        return config, classes - 1


def is_hybrid(tensors: Mapping[str, Tensor]) -> bool:
    """Whether weights under official names have a semantic branch or a flow of mask information: those of HTC."""
    return any(name.startswith(("roi_head.semantic_head.", "roi_head.mask_head.1.conv_res.")) for name in tensors)


class RCNNOutputs(NamedTuple):
    """What the network says of a batch."""

    maps: list[Tensor]
    """The pyramid, (B, C, H_i, W_i) each."""
    rpn: RPNOutputs
    """What the proposal network says of every anchor."""
    rpn_samples: list[AnchorSamples] | None
    """Anchors to learn from, where there are targets."""
    proposals: list[Tensor]
    """Boxes (P, 4) of each image."""
    stages: list[StageOutputs]
    found: list[Found] | None
    """Detections of each image in the padded image's pixels, where there are no targets."""
    semantic: Tensor | None
    """Logits (B, S, H, W) of the semantic branch, where there is one."""
    sizes: list[Size]
    """Heights and widths of the images without padding."""
    padded: Size
    """Height and width of the batch."""


class RCNN(DetectorModel):
    """A region-based detector with a feature pyramid, from its parts; `MaskRCNN().build(...)` puts them together.

    Parameter names are those of the official detection code, so that its files load with `swinkit.load_weights`. Batch
    norm (of the cascade's heads) is of each process alone until it is converted with
    `torch.nn.SyncBatchNorm.convert_sync_batchnorm`.
    """

    config: RCNNConfig
    takes_class_weights = True
    takes_label_smoothing = True

    def __init__(
        self,
        backbone: Backbone,
        neck: FPN,
        rpn_head: RPNHead,
        roi_head: RoIHead,
        *,
        config: RCNNConfig,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.has_masks = config.masks
        self.normalise = PixelNormalisation()
        self.backbone = backbone
        self.neck = neck
        self.rpn_head = rpn_head
        self.roi_head = roi_head

    def forward(self, images: Tensor, sizes: Sequence[Size], targets: Sequence[Instances] | None = None) -> RCNNOutputs:
        """See `DetectorModel.forward`; raises InputError where targets do not fit."""
        if targets is not None:
            check_targets(targets, sizes, num_classes=self.num_classes, masks=self.has_masks)
        maps = self._maps(images, sizes)
        rpn = self.rpn_head(maps)
        samples = None if targets is None else self.rpn_head.sample(rpn, [t.boxes for t in targets], sizes)
        kept = self.config.rpn.inference if targets is None else self.config.rpn.training
        proposals = self.rpn_head.proposals(rpn, sizes, kept)
        regions = [each.boxes for each in proposals]
        roi: RoIOutputs = self.roi_head(maps, regions, sizes, targets)
        padded = (images.shape[2], images.shape[3])
        return RCNNOutputs(maps, rpn, samples, regions, *roi, [(h, w) for h, w in sizes], padded)

    def losses(self, outputs: RCNNOutputs, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """Of the proposal network (`loss_rpn_cls`, `loss_rpn_bbox`) and of every stage (`loss_cls`, `loss_bbox`,
        `loss_mask`, of a cascade after `s0.`, `s1.` and so on)."""
        if outputs.rpn_samples is None:
            raise InputError("losses need what forward gives with targets: model(images, sizes, targets)")
        losses = self.rpn_head.losses(outputs.rpn, outputs.rpn_samples, [t.boxes for t in targets])
        for number, (stage, config) in enumerate(zip(outputs.stages, self.config.stages, strict=True)):
            prefix = f"s{number}." if self.config.names_stages else ""
            found = self._stage_losses(stage, config, targets, outputs.padded)
            losses |= {f"{prefix}{name}": config.weight * loss for name, loss in found.items()}
        return losses

    def _stage_losses(
        self, stage: StageOutputs, config: StageConfig, targets: Sequence[Instances], padded: Size
    ) -> dict[str, Tensor]:
        samples = stage.samples or []
        losses = box_head_losses(
            stage.box_outputs,
            samples,
            targets,
            stds=config.stds,
            decoded=self.config.decoded_regression,
            beta=self.config.box_beta,
            box_weight=self.config.box_weight,
            class_weights=self.class_weights,
            label_smoothing=self.label_smoothing,
        )
        if stage.masks is not None:
            shown = stage.mask_samples or []
            wanted = mask_targets(shown, targets, 2 * self.config.mask_roi_size, padded)
            classes = torch.cat([t.labels[s.matched] for s, t in zip(shown, targets, strict=True)])
            losses["loss_mask"] = mask_loss(stage.masks, wanted, classes)
        return losses

    @torch.no_grad()
    def postprocess(
        self, outputs: RCNNOutputs, sizes: Sequence[Size], *, scales: Sequence[tuple[float, float]] | None = None
    ) -> list[Detections]:
        """See `DetectorModel.postprocess`. Masks are the mean over the stages."""
        if outputs.found is None:
            raise InputError("postprocess needs what forward gives without targets: model(images, sizes)")
        masks = self._masks(outputs.stages, outputs.found)
        results = []
        for number, (found, shown, size) in enumerate(zip(outputs.found, outputs.sizes, sizes, strict=True)):
            boxes = at_original_size(found.boxes, shown, size, None if scales is None else scales[number])
            own = None if masks is None else masks[number]
            results.append(Detections(boxes, found.scores, found.labels, own, size))
        return results

    def class_logits(self, outputs: RCNNOutputs, size: Size, *, scale: tuple[float, float] | None = None) -> Tensor:
        """See `DetectorModel.class_logits`: the mean over the stages of each region's logits, as scores are."""
        if outputs.found is None:
            raise InputError("class_logits needs what forward gives without targets: model(images, sizes)")
        last, stds = outputs.stages[-1], self.config.stages[-1].stds
        logits, (found,), (regions,) = mean_logits(outputs.stages), outputs.found, last.regions
        chosen = []
        for box, label in zip(found.boxes, found.labels, strict=True):
            deltas = deltas_of(last.box_outputs, label.expand(len(regions))).detach()
            distance = (decode_boxes(regions, deltas, stds, outputs.sizes[0]) - box).abs().amax(1)
            # Regions cut off at the image's edge may lie on each other; NMS kept the best of them.
            is_it = distance <= distance.min() + 1e-3
            chosen.append(logits[:, label].masked_fill(~is_it, -torch.inf).max())
        return torch.stack(chosen) if chosen else logits.new_zeros(0)

    def chosen_masks(self, logits: list[Tensor]) -> list[Tensor]:
        """Of each stage's mask logits, those whose probabilities are averaged: all."""
        return logits

    def _masks(self, stages: Sequence[StageOutputs], found: Sequence[Found]) -> list[Tensor] | None:
        """Masks (R, M, M) of each image's detections, 0..1."""
        labels = torch.cat([each.labels for each in found])
        logits = [each.masks for each in stages if each.masks is not None]
        if not logits:
            return None
        return list(self._mean_masks(logits, labels).split([each.labels.shape[0] for each in found]))

    def _mean_masks(self, logits: list[Tensor], labels: Tensor) -> Tensor:
        """Masks (R, M, M), 0..1, of the stages' logits."""
        return torch.stack([of_class(each, labels).sigmoid() for each in self.chosen_masks(logits)]).mean(0)

    def detect_views(self, views: Sequence[View], size: Size) -> Detections:
        """See `DetectorModel.detect_views`; merged as `region_views` says."""
        if len(views) == 1:
            return super().detect_views(views, size)
        config = self.config
        return detect_in_views(self, views, size, proposals=config.rpn.inference, settings=config)

    def proposals_of(self, image: Tensor) -> Proposals:
        """See `RegionDetector`."""
        batch, sizes = pad_batch([image])
        return self.rpn_head.proposals(self.rpn_head(self._maps(batch, sizes)), sizes, self.config.rpn.inference)[0]

    def scores_of(self, image: Tensor, proposals: Tensor) -> ScoredBoxes:
        """See `RegionDetector`: the last stage's boxes, and the scores of all stages' mean logits."""
        batch, sizes = pad_batch([image])
        stages = self.roi_head.refine(self.roi_head.readable(self._maps(batch, sizes)), [proposals], sizes)
        last, stds = stages[-1], self.config.stages[-1].stds
        boxes = decode_boxes(last.regions[0][:, None], last.box_outputs.deltas, stds, sizes[0])
        return ScoredBoxes(boxes, mean_logits(stages).softmax(1))

    def masks_of(self, image: Tensor, boxes: Tensor, labels: Tensor) -> Tensor | None:
        """See `RegionDetector`."""
        if not self.has_masks:
            return None
        logits = self.roi_head.mask_logits(self.roi_head.readable(self._maps(*pad_batch([image]))), [boxes])
        return self._mean_masks(logits, labels)

    def _maps(self, images: Tensor, sizes: Sequence[Size]) -> list[Tensor]:
        """The pyramid, (B, C, H_i, W_i) each."""
        return self.neck(self.backbone(self.normalise(images, sizes)))
