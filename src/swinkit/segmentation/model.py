"""UperNet: a backbone, a head that paints classes, and an auxiliary head for training (paper section 4.3).

Shapes: B images, H W image, h w map of logits, C channels, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from swinkit.backbone.contract import Backbone
from swinkit.errors import InputError
from swinkit.layers.pixels import PixelNormalisation
from swinkit.segmentation.fcn_head import FCNHead
from swinkit.segmentation.losses import segmentation_cross_entropy
from swinkit.segmentation.uper_head import POOL_SCALES, UperHead
from swinkit.serialization import check_limits, takes_notes


class SegmentationOutputs(NamedTuple):
    """Raw outputs of a segmentor."""

    head: Tensor
    """Logits (B, K, h, w) at the size of the finest feature."""
    auxiliary: Tensor | None = None
    """Logits (B, K, h, w) of the auxiliary head, at the size of its feature; None in evaluation mode."""


@takes_notes
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
        check_limits(self, {"pool_scales": 64})
        if min(self.channels, self.auxiliary_channels, self.auxiliary_convs, *self.pool_scales) < 1:
            raise InputError(f"widths, pooled maps and convolutions of UperNet must be at least 1: {self}")
        if not 0.0 <= self.dropout < 1.0:
            raise InputError(f"dropout must lie in 0 <= rate < 1, not {self.dropout}")

    def build(self, backbone: Backbone, num_classes: int) -> UperNet:
        """The model with fresh heads; raises InputError where they do not fit the backbone."""
        return UperNet(backbone, self, num_classes=num_classes)

    @classmethod
    def from_weights(cls, tensors: Mapping[str, Tensor]) -> Self | None:
        """The configuration that weights of the official code belong to, read off their shapes; None where they are not
        of an UperNet. Pooled maps, which shapes do not tell, are taken as published."""
        head = tensors.get("decode_head.conv_seg.weight")
        pooled = tensors.get("decode_head.psp_modules.0.1.conv.weight")
        if head is None or pooled is None or "decode_head.fpn_bottleneck.conv.weight" not in tensors:
            return None
        laterals = [n for n in tensors if n.startswith("decode_head.lateral_convs.") and n.endswith(".conv.weight")]
        features = [*(tensors[name].shape[1] for name in sorted(laterals)), pooled.shape[1]]
        auxiliary = tensors.get("auxiliary_head.convs.0.conv.weight")
        if auxiliary is None or auxiliary.shape[1] not in features:
            return cls(channels=head.shape[1])
        level = features.index(auxiliary.shape[1])
        return cls(channels=head.shape[1], auxiliary_channels=auxiliary.shape[0], auxiliary_level=level)


class SegmentorModel(nn.Module):
    """What showing images needs of a segmentor: `forward(images)` gives `SegmentationOutputs`."""

    backbone: Backbone
    num_classes: int
    """K."""


class UperNet(SegmentorModel):
    """Images (B, 3, H, W), values 0..255, to the logits of both heads; in evaluation mode to those of the first alone.

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
        self.normalise = PixelNormalisation()
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

    def forward(self, images: Tensor, sizes: Sequence[tuple[int, int]] | None = None) -> SegmentationOutputs:
        """The whole network.

        Args:
            images: RGB (B, 3, H, W), values 0..255 of any number type, on the model's device.
            sizes: height and width of each image without its padding, which is 0 after normalisation; None is no
                padding.
        """
        dtype = self.decode_head.conv_seg.weight.dtype
        pixels = self.normalise(images) if sizes is None else _normalised(self.normalise, images, sizes)
        features = self.backbone(pixels.to(dtype))
        head = self.decode_head(features)
        auxiliary = self.auxiliary_head(features[self.config.auxiliary_level]) if self.training else None
        return SegmentationOutputs(head, auxiliary)

    def losses(
        self,
        outputs: SegmentationOutputs,
        targets: Tensor,
        *,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
        auxiliary_weight: float = 0.4,
        count_ignored: bool = True,
    ) -> dict[str, Tensor]:
        """Scalars whose sum is minimised: the cross entropy of each head, the auxiliary one's already weighted.

        Args:
            outputs: what `forward` gave in training mode.
            targets: (B, H, W), 0..K-1 or 255 for pixels to ignore, see `segmentation_cross_entropy`.
            class_weights, label_smoothing, count_ignored: see `segmentation_cross_entropy`.
            auxiliary_weight: what the auxiliary loss is multiplied with.

        Raises:
            InputError: where the targets do not fit, or the outputs are those of evaluation mode.
        """
        if outputs.auxiliary is None:
            raise InputError("the auxiliary head has no logits in evaluation mode; call model.train() first")
        head, auxiliary = (
            segmentation_cross_entropy(
                logits,
                targets,
                class_weights=class_weights,
                label_smoothing=label_smoothing,
                count_ignored=count_ignored,
            )
            for logits in (outputs.head, outputs.auxiliary)
        )
        return {"loss_decode": head, "loss_auxiliary": auxiliary_weight * auxiliary}


@torch.compiler.disable
def _normalised(normalise: PixelNormalisation, images: Tensor, sizes: Sequence[tuple[int, int]]) -> Tensor:
    """Outside of compiled graphs, which would be compiled anew for the sizes of every batch."""
    return normalise(images, sizes)
