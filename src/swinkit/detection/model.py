"""Mask R-CNN and Cascade Mask R-CNN on any backbone (paper section 4.2).

Shapes: B images, H W padded batch, h w image without padding, N objects, R detections, M side of a mask, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from swinkit.backbone.contract import Backbone
from swinkit.backbone.description import backbone_of, describe_backbone
from swinkit.detection.config import DetectorConfig
from swinkit.detection.fpn import FPN
from swinkit.detection.roi_head import RoIHead
from swinkit.detection.rpn import RPNHead, RPNOutputs
from swinkit.errors import InputError
from swinkit.structures import Detections, Instances

DIVISOR = 32
"""Images are padded to multiples of this many pixels."""


class DetectorOutputs(NamedTuple):
    """Raw outputs of a detector, before there are regions."""

    maps: list[Tensor]
    """The pyramid, (B, C, H_i, W_i) each."""
    rpn: RPNOutputs
    sizes: list[tuple[int, int]]
    """Heights and widths of the images without padding."""
    padded: tuple[int, int]
    """Height and width of the batch."""


class RCNN(nn.Module):
    """A region-based detector with a feature pyramid: Mask R-CNN, or with a cascade's configuration Cascade Mask R-CNN.

    Parameter names are those of the official detection code, so that its files load with `swinkit.load_weights`. Batch
    norm (of the cascade's heads) is of each process alone until it is converted with
    `torch.nn.SyncBatchNorm.convert_sync_batchnorm`.

    Args:
        backbone: any module that keeps the contract of `Backbone`.
        config: everything else; `MASK_RCNN` or `CASCADE_MASK_RCNN`, or with other numbers.
        num_classes: K.
        has_masks: whether there are mask heads; without, it learns from boxes alone.

    Raises:
        InputError: where there is no class.
    """

    def __init__(
        self,
        backbone: Backbone,
        config: DetectorConfig | None = None,
        *,
        num_classes: int = 80,
        has_masks: bool = True,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise InputError(f"a detector needs at least one class, not {num_classes}")
        self.config: DetectorConfig = config or DetectorConfig()
        self.num_classes: int = num_classes
        self.has_masks: bool = has_masks
        self.backbone: Backbone = backbone
        strides = list(backbone.strides)
        coarser = [strides[-1] * 2**level for level in range(1, self.config.extra_levels + 1)]
        self.neck = FPN(backbone.channels, self.config.channels, extra_levels=self.config.extra_levels)
        self.rpn_head = RPNHead(self.config.channels, strides + coarser, self.config.rpn)
        self.roi_head = RoIHead(self.config, num_classes, strides, has_masks=has_masks)

    def forward(self, images: Tensor, sizes: Sequence[tuple[int, int]]) -> DetectorOutputs:
        """Normalised and padded images (B, 3, H, W), see `swinkit.ops.normalization.normalised_batch`, to the pyramid
        and the proposal network's outputs, the same in training and evaluation.

        Args:
            images: the batch.
            sizes: height and width of each image without padding.
        """
        maps = self.neck(self.backbone(images))
        padded = (images.shape[2], images.shape[3])
        return DetectorOutputs(maps, self.rpn_head(maps), [(h, w) for h, w in sizes], padded)

    def losses(self, outputs: DetectorOutputs, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """Scalars whose sum is minimised: of the proposal network and of every stage, already weighted.

        Args:
            outputs: what `forward` gave.
            targets: the objects of each image, in its pixels; images without any are background.

        Raises:
            InputError: where labels are not among the classes, or masks are missing or of another size.
        """
        self._check(outputs, targets)
        padded = [tuple(-(-side // DIVISOR) * DIVISOR for side in size) for size in outputs.sizes]
        objects = [each.boxes for each in targets]
        losses = self.rpn_head.losses(
            outputs.rpn, objects, outputs.sizes, [(height, width) for height, width in padded]
        )
        proposals = self.rpn_head.proposals(outputs.rpn, outputs.sizes, self.config.rpn.training)
        boxes = [each.boxes for each in proposals]
        return losses | self.roi_head.losses(outputs.maps, boxes, targets, outputs.sizes, outputs.padded)

    @torch.no_grad()
    def postprocess(
        self,
        outputs: DetectorOutputs,
        sizes: Sequence[tuple[int, int]],
        *,
        scales: Sequence[tuple[float, float]] | None = None,
    ) -> list[Detections]:
        """The objects of each image, best first, in the pixels of the original image.

        Args:
            outputs: what `forward` gave.
            sizes: height and width of each original image.
            scales: what its (width, height) was multiplied with to become the model's input; by default the quotient
                of the two sizes.
        """
        proposals = self.rpn_head.proposals(outputs.rpn, outputs.sizes, self.config.rpn.inference)
        found = self.roi_head.detections(outputs.maps, [each.boxes for each in proposals], outputs.sizes)
        masks = self.roi_head.masks(outputs.maps, found)
        results = []
        for number, (each, shown, size) in enumerate(zip(found, outputs.sizes, sizes, strict=True)):
            scale = (shown[1] / size[1], shown[0] / size[0]) if scales is None else scales[number]
            boxes = each.boxes / each.boxes.new_tensor([*scale, *scale])
            own = None if masks is None else masks[number]
            results.append(Detections(boxes, each.scores, each.labels, own, size))
        return results

    def description(self) -> dict[str, Any]:
        """What `from_description` needs to build this model again, without its weights, as plain data."""
        return {
            "task": "detection",
            "architecture": "cascade_mask_rcnn" if self.config.is_cascade else "mask_rcnn",
            "backbone": describe_backbone(self.backbone),
            "detector": asdict(self.config),
            "num_classes": self.num_classes,
            "has_masks": self.has_masks,
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Self:
        """A model with fresh weights; raises InputError where this is not the description of an R-CNN."""
        if description.get("task") != "detection":
            raise InputError(f"this is a {description.get('task')} model, not a detector")
        try:
            config = DetectorConfig.from_plain(description["detector"])
            backbone = backbone_of(description["backbone"])
            return cls(backbone, config, num_classes=description["num_classes"], has_masks=description["has_masks"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"the description of the model is damaged or from another version ({error})") from None

    def _check(self, outputs: DetectorOutputs, targets: Sequence[Instances]) -> None:
        if len(targets) != len(outputs.sizes):
            raise InputError(f"there are {len(outputs.sizes)} images, but objects of {len(targets)}")
        for each, size in zip(targets, outputs.sizes, strict=True):
            if self.has_masks and (each.masks is None or tuple(each.masks.shape[1:]) != size):
                shape = None if each.masks is None else tuple(each.masks.shape)
                raise InputError(
                    f"the masks of an image of {size} should be (N, {size[0]}, {size[1]}), not {shape}; a detector "
                    "without mask heads (has_masks=False) learns from boxes alone"
                )
            if each.labels.device.type == "cpu" and len(each.labels):
                low, high = (int(value) for value in each.labels.aminmax())
                if low < 0 or high >= self.num_classes:
                    raise InputError(
                        f"labels run from {low} to {high}, but {self.num_classes} classes are numbered 0 to "
                        f"{self.num_classes - 1}; check the annotations and the class list"
                    )
