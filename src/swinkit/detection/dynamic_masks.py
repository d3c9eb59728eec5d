"""Masks by convolutions that are made for each instance (CondInst, arXiv 2003.05664), as Mask RepPoints v2 has them.

Shapes: B images, C channels, D features, H W map, N instances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swinkit.layers.conv import ConvNorm
from swinkit.ops.windows import are_symbols

FEATURES = 8
"""D, which the maps that all instances share have, and every hidden layer of an instance."""
WEIGHTS = (FEATURES * (FEATURES + 2), FEATURES * FEATURES, FEATURES)
BIASES = (FEATURES, FEATURES, 1)
SIDE_WEIGHTS, SIDE_BIASES = (FEATURES + 2, FEATURES), (1, 1)
"""Of the outputs at the side, from the input and from the first hidden layer; training alone reads them."""
PARTS = (*WEIGHTS, *BIASES, *SIDE_WEIGHTS, *SIDE_BIASES)
PARAMETERS = sum(PARTS)
"""189: what an instance's three layers need, in this order."""
OUTPUT_STRIDE = 4


class MaskBranch(nn.Module):
    """Maps (B, C, H_i, W_i) of three levels to features (B, D, H_0, W_0). Names are those of the official `branch`."""

    def __init__(self, channels: int, dim: int, *, levels: int = 3, convs: int = 4) -> None:
        super().__init__()
        self.refine = nn.ModuleList(ConvNorm(channels, dim, 3) for _ in range(levels))
        self.tower = nn.ModuleList([*(ConvNorm(dim, dim, 3) for _ in range(convs)), nn.Conv2d(dim, FEATURES, 1)])

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        x = self.refine[0](maps[0])
        for level, (layer, coarse) in enumerate(zip(self.refine[1:], maps[1:], strict=True), start=1):
            y = layer(coarse)
            grown = aligned_bilinear(y, _times(x.shape[2], y.shape[2], 2**level))
            x = x + grown[..., : x.shape[2], : x.shape[3]]
        for layer in self.tower:
            x = layer(x)
        return x


def _times(fine: int, coarse: int, usual: int) -> int:
    """How many times as large a map is as a coarser one, rounded up; of sizes that are not known yet, as often as where
    images are padded to whole cells."""
    return usual if are_symbols(fine, coarse) else -(-fine // coarse)


class MaskOutputs(NamedTuple):
    """What masks are made of."""

    features: Tensor
    """(B, D, H, W), of the finest level's stride."""
    parameters: list[Tensor]
    """(B, 189, H, W) of each level: the layers of an instance that is found there."""


class Instance(NamedTuple):
    """Where instances of one image are, and what their layers are."""

    parameters: Tensor
    """(N, 189)."""
    centres: Tensor
    """(N, 2) x, y in pixels."""
    reach: Tensor
    """(N,): what distances from the centre are divided by, in pixels."""


def mask_logits(features: Tensor, instances: Instance, *, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """The masks of N instances in one image, as logits of stride `OUTPUT_STRIDE`: (N, H, W) times stride over that.

    Args:
        features: (D, H, W) of the image.
        instances: N of them.
        stride: of the features, in pixels.

    Returns:
        The side output of the input, that of the first hidden layer, and the mask itself.
    """
    height, width = features.shape[1:]
    x, y = (torch.arange(n, device=features.device) * stride + stride // 2 for n in (width, height))
    places = torch.stack(torch.meshgrid(x, y, indexing="xy")).flatten(1).to(features)  # (2, H * W)
    away = (instances.centres[:, :, None] - places) / instances.reach[:, None, None]
    count = instances.parameters.shape[0]
    shared = features.flatten(1).expand(count, -1, -1)
    inputs = torch.cat([away.to(features), shared], 1)  # (N, D + 2, H * W)
    parts = instances.parameters.to(features).split(PARTS, 1)
    weights, biases, side_weights, side_biases = parts[:3], parts[3:6], parts[6:8], parts[8:]
    first = F.relu(_layer(inputs, weights[0], biases[0]))
    second = F.relu(_layer(first, weights[1], biases[1]))
    found = (
        _layer(inputs, side_weights[0], side_biases[0]),
        _layer(first, side_weights[1], side_biases[1]),
        _layer(second, weights[2], biases[2]),
    )
    one, two, three = (aligned_bilinear(x.view(count, 1, height, width), stride // OUTPUT_STRIDE)[:, 0] for x in found)
    return one, two, three


def whole_masks(shares: Tensor, shown: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Probabilities (N, H, W) of stride `OUTPUT_STRIDE` as masks (N, height, width) bool of the original `size`.

    Args:
        shares: of the padded image, 0..1.
        shown: height and width at which the image was shown, without padding.
        size: of the original image.
    """
    masks = [
        F.interpolate(
            aligned_bilinear(part, OUTPUT_STRIDE)[..., : shown[0], : shown[1]],
            size=size,
            mode="bilinear",
            align_corners=False,
        )[:, 0]
        > 0.5
        for part in shares[:, None].split(8)  # a few at a time, as these are large
    ]
    return torch.cat(masks) if masks else shares.new_zeros((0, *size), dtype=torch.bool)


def aligned_bilinear(x: Tensor, factor: int) -> Tensor:
    """(B, C, H, W) to (B, C, factor * H, factor * W), bilinearly, the first value of a row and column where it was."""
    if factor == 1:
        return x
    height, width = x.shape[2:]
    x = F.pad(x, (0, 1, 0, 1), mode="replicate")
    x = F.interpolate(x, size=(factor * height + 1, factor * width + 1), mode="bilinear", align_corners=True)
    x = F.pad(x, (factor // 2, 0, factor // 2, 0), mode="replicate")
    return x[..., : factor * height, : factor * width]


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """The mean over N of 1 - 2 |xy| / (|x|^2 + |y|^2), of logits and masks (N, H, W); 0 without instances."""
    x, y = logits.float().sigmoid().flatten(1), masks.float().flatten(1)
    each = 1 - 2 * (x * y).sum(1) / (x.square().sum(1) + y.square().sum(1) + 1e-5)
    return each.sum() / max(1, len(each))


def _layer(x: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """(N, I, L) by a linear layer for each instance, weights (N, O * I) and bias (N, O), to (N, O, L)."""
    return torch.baddbmm(bias[:, :, None], weights.view(x.shape[0], bias.shape[1], x.shape[1]), x)
