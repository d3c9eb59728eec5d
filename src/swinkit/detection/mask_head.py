"""The mask head: which cells of a region belong to its instance (arXiv 1703.06870).

Shapes: R regions, N instances, C channels, S side of a region's features, M = 2 S side of a mask, K classes, H W image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align

from swinkit.detection.samplers import Samples
from swinkit.layers.conv import Conv
from swinkit.structures import Instances

MASKS_AT_ONCE = 16
"""So many full-size masks are floating numbers at a time while targets are cut out of them."""


class MaskHeadOutputs(NamedTuple):
    """What a mask head says of R regions."""

    logits: Tensor | None
    """(R, K, M, M); None where they were not asked for."""
    features: Tensor
    """(R, C, S, S): what the next stage's head takes in, where mask information flows."""


class MaskHead(nn.Module):
    """Region features (R, C, S, S) to mask logits (R, K, M, M).

    Names are those of the official code's `mask_head`; weights are drawn as there (Kaiming normal over the fan out).

    Args:
        channels: C.
        num_classes: K.
        convs: 3 x 3 convolutions.
        takes_previous: add the features of the stage before, after a convolution (HTC, arXiv 1901.07518, equation 5).
    """

    def __init__(self, channels: int, num_classes: int, *, convs: int = 4, takes_previous: bool = False) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Conv(channels, channels, 3) for _ in range(convs))
        self.upsample = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.conv_logits = nn.Conv2d(channels, num_classes, 1)
        self.conv_res = Conv(channels, channels, 1) if takes_previous else None
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias) if module.bias is not None else None

    def forward(self, x: Tensor, previous: Tensor | None = None, *, with_logits: bool = True) -> MaskHeadOutputs:
        """Logits and features.

        Args:
            x: region features (R, C, S, S).
            previous: the features of the stage before, on the same regions; only a head that takes them looks at them.
            with_logits: False leaves the logits out.
        """
        if self.conv_res is not None and previous is not None:
            x = x + F.relu(self.conv_res(previous))
        for convolve in self.convs:
            x = F.relu(convolve(x))
        return MaskHeadOutputs(self.conv_logits(F.relu(self.upsample(x))) if with_logits else None, x)


def of_class(logits: Tensor, labels: Tensor) -> Tensor:
    """(R, K, M, M) to the (R, M, M) of each region's class, in float32."""
    return logits[torch.arange(labels.shape[0], device=labels.device), labels].float()


def mask_loss(logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross entropy of the true classes' masks (R, M, M); 0 without regions."""
    chosen = of_class(logits, labels)
    if not len(labels):
        return logits.sum() * 0
    return F.binary_cross_entropy_with_logits(chosen, targets)


@torch.no_grad()
def mask_targets(
    samples: Sequence[Samples], targets: Sequence[Instances], size: int, padded: tuple[int, int]
) -> Tensor:
    """The part of each positive's ground truth within its box, (R, M, M) of 0 and 1.

    Masks are read as regions are (`align_regions`), and cut at one half.

    Args:
        samples: of each image.
        targets: ground truth of each image.
        size: M.
        padded: height and width of the padded batch; outside the image there is nothing.
    """
    return torch.cat([_targets(s, t, size, padded) for s, t in zip(samples, targets, strict=True)])


def _targets(samples: Samples, truth: Instances, size: int, padded: tuple[int, int]) -> Tensor:
    masks = truth.masks
    targets = samples.boxes.new_zeros(len(samples.matched), size, size, dtype=torch.float32)
    for first in range(0, 0 if masks is None else len(masks), MASKS_AT_ONCE):
        assert masks is not None
        here = torch.nonzero((samples.matched >= first) & (samples.matched < first + MASKS_AT_ONCE))[:, 0]
        if len(here):
            beyond = (0, padded[1] - masks.shape[2], 0, padded[0] - masks.shape[1])
            part = F.pad(masks[first : first + MASKS_AT_ONCE].float(), beyond)[:, None]
            number = (samples.matched[here] - first)[:, None].float()
            regions = torch.cat([number, samples.positives[here].float()], 1)
            read = roi_align(part, regions, size, 1.0, sampling_ratio=-1, aligned=True)[:, 0]
            targets[here] = (read >= 0.5).float()
    return targets
