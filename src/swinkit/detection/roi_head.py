"""From proposals to detections: box heads and mask heads, in one stage or a cascade (arXiv 1712.00726).

Shapes: B images, R regions, N objects, P proposals, K classes, M side of a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from swinkit.detection.box_head import (
    BoxHead,
    BoxOutputs,
    Found,
    detect,
    sample_labels,
    top_classes,
)
from swinkit.detection.config import DetectorConfig
from swinkit.detection.mask_head import MaskHead, mask_loss, mask_targets
from swinkit.detection.roi_align import align_regions
from swinkit.detection.sampler import Samples, sample_proposals
from swinkit.structures import Instances

Size = tuple[int, int]


class RoIHead(nn.Module):
    """The heads of all stages. Names are those of the official code's `roi_head`: a head, or of a cascade a list.

    Args:
        config: the detector.
        num_classes: K.
        strides: of the pyramid's levels that regions are read off.
        has_masks: whether there are mask heads.
    """

    def __init__(self, config: DetectorConfig, num_classes: int, strides: Sequence[int], *, has_masks: bool) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.strides = tuple(strides)
        heads = [BoxHead(config, num_classes, stage.stds) for stage in config.stages]
        self.bbox_head: nn.Module = nn.ModuleList(heads) if config.is_cascade else heads[0]
        self.mask_head: nn.Module | None = None
        if has_masks:
            masks = [MaskHead(config, num_classes) for _ in config.stages]
            self.mask_head = nn.ModuleList(masks) if config.is_cascade else masks[0]

    @property
    def box_heads(self) -> list[BoxHead]:
        """One for each stage."""
        heads = list(self.bbox_head) if isinstance(self.bbox_head, nn.ModuleList) else [self.bbox_head]
        return cast("list[BoxHead]", heads)

    @property
    def mask_heads(self) -> list[MaskHead]:
        """One for each stage; none where the detector has boxes only."""
        if self.mask_head is None:
            return []
        heads = list(self.mask_head) if isinstance(self.mask_head, nn.ModuleList) else [self.mask_head]
        return cast("list[MaskHead]", heads)

    def losses(
        self,
        maps: Sequence[Tensor],
        proposals: Sequence[Tensor],
        targets: Sequence[Instances],
        sizes: Sequence[Size],
        padded: Size,
    ) -> dict[str, Tensor]:
        """Losses of every stage: `loss_cls`, `loss_bbox`, `loss_mask`, of a cascade after `s0.`, `s1.` and so on.

        Args:
            maps: the pyramid.
            proposals: (P, 4) of each image.
            targets: the objects of each image.
            sizes: heights and widths of the images without padding.
            padded: height and width of the batch.
        """
        losses: dict[str, Tensor] = {}
        boxes = list(proposals)
        for number, stage in enumerate(self.config.stages):
            samples = [
                sample_proposals(each, objects.boxes, stage.matcher, stage.sampler)
                for each, objects in zip(boxes, targets, strict=True)
            ]
            outputs, found = self._stage_losses(number, maps, samples, targets, padded)
            prefix = f"s{number}." if self.config.is_cascade else ""
            losses |= {f"{prefix}{name}": stage.weight * loss for name, loss in found.items()}
            if number + 1 < len(self.config.stages):
                boxes = self._refined(number, samples, outputs, targets, sizes)
        return losses

    def _stage_losses(
        self,
        number: int,
        maps: Sequence[Tensor],
        samples: Sequence[Samples],
        targets: Sequence[Instances],
        padded: Size,
    ) -> tuple[BoxOutputs, dict[str, Tensor]]:
        config, head = self.config, self.box_heads[number]
        labels = [each.labels for each in targets]
        outputs = head(self._read(maps, [s.boxes for s in samples], config.roi_size))
        losses = head.losses(
            outputs,
            samples,
            labels,
            [each.boxes for each in targets],
            decoded=config.decoded_regression,
            box_weight=config.box_weight,
        )
        if self.mask_head is not None:
            seen = self._read(maps, [s.foreground for s in samples], config.mask_roi_size)
            masks = [_masks_of(each, size=padded) for each in targets]
            wanted = mask_targets(samples, masks, 2 * config.mask_roi_size, padded)
            classes = torch.cat([each[s.objects] for s, each in zip(samples, labels, strict=True)])
            losses["loss_mask"] = mask_loss(self.mask_heads[number](seen), wanted, classes)
        return outputs, losses

    @torch.no_grad()
    def _refined(
        self,
        number: int,
        samples: Sequence[Samples],
        outputs: BoxOutputs,
        targets: Sequence[Instances],
        sizes: Sequence[Size],
    ) -> list[Tensor]:
        """The samples' boxes as this stage corrects them, for the next one; the objects' own boxes are left out."""
        counts = [len(s.boxes) for s in samples]
        refined = []
        parts = zip(samples, _split(outputs, counts), targets, sizes, strict=True)
        for sample, part, objects, size in parts:
            truth = sample_labels(sample, objects.labels, self.num_classes)
            labels = torch.where(truth == self.num_classes, top_classes(part.logits), truth)
            boxes = self.box_heads[number].decode(sample.boxes, part, labels, size)
            refined.append(boxes[~sample.are_objects])
        return refined

    @torch.no_grad()
    def detections(self, maps: Sequence[Tensor], proposals: Sequence[Tensor], sizes: Sequence[Size]) -> list[Found]:
        """Detections of each image in the pixels of the padded image: the last stage's boxes, the class scores of all
        stages' mean logits."""
        boxes, counts = list(proposals), [len(each) for each in proposals]
        logits: list[Tensor] = []
        for number, head in enumerate(self.box_heads):
            outputs = head(self._read(maps, boxes, self.config.roi_size))
            logits.append(outputs.logits)
            parts = _split(outputs, counts)
            if number + 1 < len(self.box_heads):
                boxes = [
                    head.decode(each, part, top_classes(part.logits), size)
                    for each, part, size in zip(boxes, parts, sizes, strict=True)
                ]
        mean = _split(BoxOutputs(torch.stack(logits).mean(0), outputs.deltas), counts)
        last = self.box_heads[-1]
        return [detect(last, *each, self.config) for each in zip(boxes, mean, sizes, strict=True)]

    @torch.no_grad()
    def masks(self, maps: Sequence[Tensor], found: Sequence[Found]) -> list[Tensor] | None:
        """Masks (R, M, M) of each image's detections, 0..1: the mean over the stages; None without mask heads."""
        if self.mask_head is None:
            return None
        boxes = [each.boxes for each in found]
        labels = torch.cat([each.labels for each in found])
        seen = self._read(maps, boxes, self.config.mask_roi_size)
        masks = torch.stack([head.probabilities(seen, labels) for head in self.mask_heads]).mean(0)
        return list(masks.split([len(each) for each in boxes]))

    def _read(self, maps: Sequence[Tensor], boxes: Sequence[Tensor], size: int) -> Tensor:
        return align_regions(maps[: len(self.strides)], self.strides, boxes, size, self.config.finest_scale)


def _split(outputs: BoxOutputs, counts: Sequence[int]) -> list[BoxOutputs]:
    parts = zip(outputs.logits.split(list(counts)), outputs.deltas.split(list(counts)), strict=True)
    return [BoxOutputs(logits, deltas) for logits, deltas in parts]


def _masks_of(objects: Instances, *, size: Size) -> Tensor:
    if objects.masks is None:
        return objects.boxes.new_zeros(len(objects.boxes), *size, dtype=torch.bool)
    return objects.masks
