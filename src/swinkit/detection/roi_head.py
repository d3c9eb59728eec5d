"""From proposals to detections: box heads and mask heads, in one stage, a cascade (arXiv 1712.00726) or a hybrid task
cascade (arXiv 1901.07518).

Shapes: B images, R regions, N instances, P proposals, K classes, M side of a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.detection.assigners import MatcherConfig
from swinkit.detection.box_head import BoxHead, BoxOutputs, deltas_of, sample_labels, top_classes
from swinkit.detection.detector import Size
from swinkit.detection.inference import Found, detect
from swinkit.detection.mask_head import MaskHead
from swinkit.detection.roi_align import align_regions
from swinkit.detection.samplers import SamplerConfig, Samples, sample_proposals
from swinkit.detection.semantic_head import SemanticHead, SemanticOutputs
from swinkit.detection.soft_nms import Suppression
from swinkit.ops.boxes import Stds, decode_boxes
from swinkit.structures import Instances


@dataclass(frozen=True)
class StageConfig:
    """One stage of box heads; Mask R-CNN has one, a cascade (arXiv 1712.00726) several."""

    stds: Stds = (0.1, 0.1, 0.2, 0.2)
    """Units of the encoded boxes."""
    matcher: MatcherConfig = field(default_factory=lambda: MatcherConfig(0.5, 0.5, low_quality_iou=0.5))
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    weight: float = 1.0
    """What the stage's losses are multiplied with."""


@dataclass(frozen=True)
class RegionSettings:
    """How regions are read off the pyramid, and which become detections."""

    roi_size: int = 7
    """Side of what the box heads see of each region, in cells."""
    mask_roi_size: int = 14
    """Side of what the mask head sees of each region, in cells; masks have twice that."""
    finest_scale: float = 56.0
    """Regions up to twice this square root of their area, in pixels, are read off the finest level; each doubling goes
    a level up."""
    score_threshold: float = 0.05
    """Detections below this score are left out."""
    nms_iou: float = 0.5
    """Detections of a class that overlap more than this suppress each other."""
    suppression: Suppression = field(default_factory=Suppression)
    """Whether the worse one is left out, or loses score (soft-NMS)."""
    detections: int = 100
    """Detections of an image at most."""
    interleaved: bool = False
    """Masks are learned on boxes that the same stage has corrected, not on those that it was given."""


class StageOutputs(NamedTuple):
    """What one stage read and said."""

    regions: list[Tensor]
    """Boxes (R_b, 4) of each image that its box head read."""
    box_outputs: BoxOutputs
    """Classes and encoded boxes of all regions, one image after the other."""
    masks: Tensor | None
    """Mask logits (R, K, M, M) of the positives, where there are targets, else of the detections; None without mask
    heads."""
    samples: list[Samples] | None
    """What each image's regions are, where there are targets."""
    mask_samples: list[Samples] | None = None
    """The regions whose positives the mask head read, where there are targets; interleaved, these are others."""


class RoIOutputs(NamedTuple):
    """What all stages said of a batch."""

    stages: list[StageOutputs]
    found: list[Found] | None
    """Detections of each image in the padded image's pixels, where there are no targets."""
    semantic: Tensor | None
    """Logits (B, S, H, W) of the semantic branch, where there is one."""


class Readable(NamedTuple):
    """What regions are read off."""

    levels: list[Tensor]
    """The pyramid, (B, C, H_i, W_i) each."""
    semantic: SemanticOutputs | None
    """Whose features are added to all that is read."""


class RoIHead(nn.Module):
    """The heads of all stages. Names are those of the official code's `roi_head`, of one stage as a list of one.

    Args:
        bbox_head: a box head for each stage.
        mask_head: a mask head for each stage, or none; where they take the features of the one before, mask information
            flows from stage to stage.
        semantic_head: the semantic branch, or none.
        stages: boxes' units, matching and sampling of each stage.
        strides: of the pyramid's levels that regions are read off.
        settings: how they are read, and what becomes a detection.
    """

    def __init__(
        self,
        bbox_head: Sequence[BoxHead],
        mask_head: Sequence[MaskHead],
        semantic_head: SemanticHead | None = None,
        *,
        stages: Sequence[StageConfig],
        strides: Sequence[int],
        settings: RegionSettings,
    ) -> None:
        super().__init__()
        self.stages = tuple(stages)
        self.strides = tuple(strides)
        self.settings = settings
        self.bbox_head = nn.ModuleList(bbox_head)
        self.mask_head = nn.ModuleList(mask_head)
        self.semantic_head = semantic_head

    def forward(
        self,
        maps: Sequence[Tensor],
        proposals: Sequence[Tensor],
        sizes: Sequence[Size],
        targets: Sequence[Instances] | None,
    ) -> RoIOutputs:
        """Every stage, and without targets the detections in the padded image's pixels.

        Args:
            maps: the pyramid, (B, C, H_i, W_i) each.
            proposals: boxes (P, 4) of each image.
            sizes: height and width of each image without padding.
            targets: ground truth; each stage then reads samples instead of all boxes.
        """
        source = self.readable(maps)
        semantic = None if source.semantic is None else source.semantic.logits
        if targets is not None:
            return RoIOutputs(self._learning(source, proposals, sizes, targets), None, semantic)
        stages = self.refine(source, proposals, sizes)
        found = self._detections(stages, sizes)
        masks = self.mask_logits(source, [each.boxes for each in found])
        if masks:
            stages = [each._replace(masks=logits) for each, logits in zip(stages, masks, strict=True)]
        return RoIOutputs(stages, found, semantic)

    def readable(self, maps: Sequence[Tensor]) -> Readable:
        """What regions are read off, of a pyramid (B, C, H_i, W_i) each."""
        semantic = None if self.semantic_head is None else self.semantic_head(maps)
        return Readable(list(maps[: len(self.strides)]), semantic)

    def refine(self, source: Readable, proposals: Sequence[Tensor], sizes: Sequence[Size]) -> list[StageOutputs]:
        """Every stage in turn on all boxes (P, 4) of each image, without masks."""
        outputs: list[StageOutputs] = []
        boxes = list(proposals)
        for number, stage in enumerate(self.stages):
            outputs.append(self._box_stage(number, source, boxes, None))
            if number + 1 < len(self.stages):
                boxes = refined_boxes(outputs[-1], stage.stds, sizes, None)
        return outputs

    def mask_logits(self, source: Readable, boxes: Sequence[Tensor]) -> list[Tensor]:
        """Mask logits (R, K, M, M) of each stage's head for the boxes (R_b, 4) of each image; empty without heads."""
        return self._masks(source, boxes, range(len(self.mask_head)))

    def _learning(
        self, source: Readable, proposals: Sequence[Tensor], sizes: Sequence[Size], targets: Sequence[Instances]
    ) -> list[StageOutputs]:
        """Every stage on samples of what the one before has corrected. Interleaved, a stage's masks are learned on
        boxes that the same stage has corrected, else on those that it read."""
        outputs: list[StageOutputs] = []
        boxes = list(proposals)
        for number, stage in enumerate(self.stages):
            samples = self._sampled(boxes, targets, stage)
            output = self._box_stage(number, source, [s.boxes for s in samples], samples)
            interleaved = self.settings.interleaved and len(self.mask_head) > 0
            if interleaved or number + 1 < len(self.stages):
                boxes = refined_boxes(output, stage.stds, sizes, targets)
            chosen = self._sampled(boxes, targets, stage) if interleaved else samples
            masks = self._masks(source, [s.positives for s in chosen], range(number, number + 1))
            outputs.append(output._replace(masks=masks[0] if masks else None, mask_samples=chosen))
        return outputs

    def _box_stage(
        self, number: int, source: Readable, regions: list[Tensor], samples: list[Samples] | None
    ) -> StageOutputs:
        found = cast("BoxOutputs", self.bbox_head[number](self._read(source, regions, self.settings.roi_size)))
        return StageOutputs(regions, found, None, samples)

    def _detections(self, stages: Sequence[StageOutputs], sizes: Sequence[Size]) -> list[Found]:
        """Detections of each image by the last stage's boxes and the class scores of all stages' mean logits."""
        regions, settings = stages[-1].regions, self.settings
        parts = split_images(BoxOutputs(mean_logits(stages), stages[-1].box_outputs.deltas), regions)
        return [
            detect(
                *each,
                stds=self.stages[-1].stds,
                score_threshold=settings.score_threshold,
                nms_iou=settings.nms_iou,
                suppression=settings.suppression,
                detections=settings.detections,
            )
            for each in zip(regions, parts, sizes, strict=True)
        ]

    def _sampled(self, boxes: Sequence[Tensor], targets: Sequence[Instances], stage: StageConfig) -> list[Samples]:
        pairs = zip(boxes, targets, strict=True)
        return [sample_proposals(each, truth.boxes, stage.matcher, stage.sampler) for each, truth in pairs]

    def _masks(self, source: Readable, boxes: Sequence[Tensor], wanted: range) -> list[Tensor]:
        """The logits of the heads in `wanted`; those before run too where mask information flows."""
        if not len(self.mask_head):
            return []
        heads = cast("list[MaskHead]", list(self.mask_head))
        flows = any(head.conv_res is not None for head in heads)
        x = self._read(source, boxes, self.settings.mask_roi_size)
        logits, previous = [], None
        for number in range(0 if flows else wanted.start, wanted.stop):
            found = heads[number](x, previous, with_logits=number in wanted)
            previous = found.features if flows else None
            if found.logits is not None:
                logits.append(found.logits)
        return logits

    def _read(self, source: Readable, boxes: Sequence[Tensor], size: int) -> Tensor:
        """(R, C, size, size) of the pyramid, and of the semantic features, which are read as for masks."""
        settings = self.settings
        read = align_regions(source.levels, self.strides, boxes, size, settings.finest_scale)
        if source.semantic is None or self.semantic_head is None:
            return read
        stride = self.strides[self.semantic_head.fusion_level]
        features = source.semantic.features
        context = align_regions([features], [stride], boxes, settings.mask_roi_size, settings.finest_scale)
        return read + F.adaptive_avg_pool2d(context, size)


def mean_logits(stages: Sequence[StageOutputs]) -> Tensor:
    """Class logits (R, K + 1) of the regions, the mean over the stages."""
    return torch.stack([each.box_outputs.logits for each in stages]).mean(0)


@torch.no_grad()
def refined_boxes(
    stage: StageOutputs, stds: Stds, sizes: Sequence[Size], targets: Sequence[Instances] | None
) -> list[Tensor]:
    """The regions of each image as this stage corrects them, for the next one. Of samples, each takes the box of its
    true class, and the ground truth's own boxes are left out."""
    refined = []
    for number, (boxes, part, size) in enumerate(
        zip(stage.regions, split_images(stage.box_outputs, stage.regions), sizes, strict=True)
    ):
        labels = top_classes(part.logits)
        if targets is None or stage.samples is None:
            refined.append(decode_boxes(boxes, deltas_of(part, labels), stds, size))
            continue
        background = part.logits.shape[1] - 1
        truth = sample_labels(stage.samples[number], targets[number].labels, background)
        labels = torch.where(truth == background, labels, truth)
        decoded = decode_boxes(boxes, deltas_of(part, labels), stds, size)
        refined.append(decoded[~stage.samples[number].are_gt])
    return refined


def split_images(outputs: BoxOutputs, regions: Sequence[Tensor]) -> list[BoxOutputs]:
    """Each image's part of the outputs for all regions."""
    counts = [boxes.shape[0] for boxes in regions]
    parts = zip(outputs.logits.split(counts), outputs.deltas.split(counts), strict=True)
    return [BoxOutputs(logits, deltas) for logits, deltas in parts]
