"""UperNet: a backbone, a head that paints classes, and an auxiliary head for training (paper section 4.3).

Shapes: B images, H W image, h w map of logits, C channels, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from swinkit.backbone.contract import Backbone
from swinkit.backbone.description import backbone_of, describe_backbone
from swinkit.errors import InputError
from swinkit.segmentation.bands import resized_bands
from swinkit.segmentation.fcn_head import FCNHead
from swinkit.segmentation.losses import segmentation_cross_entropy
from swinkit.segmentation.uper_head import POOL_SCALES, UperHead


class SegmentationOutputs(NamedTuple):
    """Raw outputs of a segmentor."""

    head: Tensor
    """Logits (B, K, h, w) at the size of the finest feature."""
    auxiliary: Tensor
    """Logits (B, K, h, w) of the auxiliary head, at the size of its feature."""


@dataclass(frozen=True)
class UperNetConfig:
    """What makes one UperNet differ from another besides its backbone; the defaults are the published model's."""

    channels: int = 512
    """Width of the head."""
    pool_scales: tuple[int, ...] = POOL_SCALES
    """Sides of the head's pooled maps, in cells."""
    dropout: float = 0.1
    """Share of channels left out before the last layer of each head while training, 0..1."""
    auxiliary_channels: int = 256
    """Width of the auxiliary head."""
    auxiliary_level: int = 2
    """Which feature the auxiliary head takes, counted from 0; 2 is stage 3."""
    auxiliary_convs: int = 1
    """Convolutions of the auxiliary head before its last layer."""

    def __post_init__(self) -> None:
        if min(self.channels, self.auxiliary_channels, self.auxiliary_convs, *self.pool_scales) < 1:
            raise InputError(f"widths, pooled maps and convolutions of UperNet must be at least 1: {self}")
        if not 0.0 <= self.dropout < 1.0:
            raise InputError(f"dropout must lie in 0 <= rate < 1, not {self.dropout}")


class UperNet(nn.Module):
    """Images (B, C, H, W) to logits of both heads, the same in training and evaluation.

    Parameter names are those of the official segmentation code, so that its files load with `swinkit.load_weights`.
    The defaults are the published model of ADE20K; batch norm is of each process alone until it is converted, see
    `ConvNorm`.

    Args:
        backbone: any module that keeps the contract of `Backbone`; its features go to the head, finest first.
        config: widths and the like.
        num_classes: K.

    Raises:
        InputError: where there is no class, too few features or no such level.
    """

    def __init__(self, backbone: Backbone, config: UperNetConfig | None = None, *, num_classes: int = 150) -> None:
        super().__init__()
        config = config or UperNetConfig()
        features, level = len(backbone.channels), config.auxiliary_level
        if num_classes < 1 or features < 2 or not 0 <= level < features:
            raise InputError(
                f"UperNet needs at least one class and two features, of which the auxiliary head takes one; got "
                f"{num_classes} classes, {features} features and auxiliary_level {level}"
            )
        self.config: UperNetConfig = config
        self.num_classes: int = num_classes
        self.backbone: Backbone = backbone
        self.decode_head = UperHead(
            backbone.channels,
            num_classes,
            channels=config.channels,
            pool_scales=config.pool_scales,
            dropout=config.dropout,
        )
        self.auxiliary_head = FCNHead(
            backbone.channels[level],
            num_classes,
            channels=config.auxiliary_channels,
            num_convs=config.auxiliary_convs,
            dropout=config.dropout,
        )

    def forward(self, images: Tensor) -> SegmentationOutputs:
        """Normalised images (B, C, H, W), see `swinkit.ops.normalization`, to the logits of both heads."""
        features = self.backbone(images)
        return SegmentationOutputs(
            self.decode_head(features), self.auxiliary_head(features[self.config.auxiliary_level])
        )

    def head_logits(self, images: Tensor) -> Tensor:
        """The first of the outputs alone, which is all that predictions need: (B, K, h, w)."""
        return self.decode_head(self.backbone(images))

    def description(self) -> dict[str, Any]:
        """What `from_description` needs to build this model again, without its weights, as plain data."""
        return {
            "task": "segmentation",
            "architecture": "upernet",
            "backbone": describe_backbone(self.backbone),
            "head": asdict(self.config),
            "num_classes": self.num_classes,
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Self:
        """A model with fresh weights; raises InputError where this is not the description of an UperNet."""
        if description.get("architecture") != "upernet":
            raise InputError(f"this is a {description.get('task')} model, not an UperNet")
        try:
            values: dict[str, Any] = dict(description["head"])
            config = UperNetConfig(**values | {"pool_scales": tuple(values["pool_scales"])})
            return cls(backbone_of(description["backbone"]), config, num_classes=description["num_classes"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the description of the model is damaged or from another version ({error})") from None

    def losses(
        self,
        outputs: SegmentationOutputs,
        targets: Tensor,
        *,
        class_weights: Tensor | None = None,
        auxiliary_weight: float = 0.4,
        count_ignored: bool = True,
    ) -> dict[str, Tensor]:
        """Scalars whose sum is minimised: the cross entropy of each head, the auxiliary one's already weighted.

        Args:
            outputs: what `forward` gave.
            targets: (B, H, W), 0..K-1 or 255 for pixels to ignore, see `segmentation_cross_entropy`.
            class_weights, count_ignored: see `segmentation_cross_entropy`.
            auxiliary_weight: what the auxiliary loss is multiplied with.

        Raises:
            InputError: where the targets do not fit.
        """
        head, auxiliary = (
            segmentation_cross_entropy(logits, targets, class_weights=class_weights, count_ignored=count_ignored)
            for logits in outputs
        )
        return {"loss_decode": head, "loss_auxiliary": auxiliary_weight * auxiliary}

    @torch.no_grad()
    def postprocess(self, outputs: SegmentationOutputs, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """The class of every pixel: one (height, width) int64 for each image, 0..K-1.

        Logits are resized straight to each (height, width) of `sizes`; for windows, scales and flips see
        `swinkit.segmentation.inference`. Images that were padded on the way in have their padding painted, too.
        """
        return [
            torch.cat([band.argmax(0) for band in resized_bands([logits], (logits.shape[1], logits.shape[2]), size)])
            for logits, size in zip(outputs.head, sizes, strict=True)
        ]
