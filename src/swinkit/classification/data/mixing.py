"""Mixup (arXiv 1710.09412), CutMix (arXiv 1905.04899) and label smoothing for whole batches.

The published recipe's forms, as timm defines them: one draw for the batch, the partner of a sample is its mirror image
in the batch (the k-th from the end for the k-th), and smoothing before mixing. torchvision's versions take the
neighbour as partner and do not smooth.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from swinkit.errors import InputError

# Shape legend: B images, C channels, H W image, K classes.


@dataclass(frozen=True)
class Mixing:
    """How training batches are mixed; the defaults are the paper's and the official code's.

    Of the batches, `probability` are mixed; of those `switch_probability` by CutMix, the others by Mixup. An alpha of
    0 switches that one off. The share of a sample's own image is drawn from Beta(alpha, alpha).
    """

    mixup_alpha: float = 0.8
    cutmix_alpha: float = 1.0
    probability: float = 1.0
    switch_probability: float = 0.5
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        for name in ("probability", "switch_probability", "label_smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"the mixing's {name} is {getattr(self, name)}; set it to a number from 0 to 1")
        for name in ("mixup_alpha", "cutmix_alpha"):
            if not getattr(self, name) >= 0:
                raise InputError(f"the mixing's {name} is {getattr(self, name)}; set it to 0 (off) or more")


class Box(NamedTuple):
    """Rows top..bottom-1 and columns left..right-1."""

    top: int
    bottom: int
    left: int
    right: int


class Mix(NamedTuple):
    """One batch's draw: `own` is the share of a sample's own label; with a box CutMix, without Mixup."""

    own: float
    box: Box | None


def mix(
    images: Tensor, labels: Tensor, *, num_classes: int, mixing: Mixing, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mixed images (B, C, H, W) and their targets (B, K), float32, each row summing to 1.

    `labels` (B,) are int64 below `num_classes`. The draws come from `generator` (on the CPU, one for a step), so
    processes whose generators agree mix alike. The inputs are not changed. In a batch of odd length the middle sample
    is its own partner.
    """
    drawn = draw_mix(mixing, images.shape[-2:], generator=generator)
    targets = smooth_targets(labels, num_classes=num_classes, smoothing=mixing.label_smoothing)
    return mix_images(images, drawn), mix_targets(targets, drawn)


def draw_mix(mixing: Mixing, size: tuple[int, int] | torch.Size, *, generator: torch.Generator) -> Mix:
    """Whether and how to mix a batch of images of `size` (H, W). The own share 1 means not at all."""
    both = mixing.mixup_alpha > 0 and mixing.cutmix_alpha > 0
    if _uniform(generator) >= mixing.probability or mixing.mixup_alpha == mixing.cutmix_alpha == 0:
        return Mix(1.0, None)
    use_cutmix = _uniform(generator) < mixing.switch_probability if both else mixing.cutmix_alpha > 0
    own = _beta(mixing.cutmix_alpha if use_cutmix else mixing.mixup_alpha, generator)
    if not use_cutmix:
        return Mix(own, None)
    height, width = size
    centre = (_integer(height, generator), _integer(width, generator))
    return cut(own, centre, (height, width))


def cut(own: float, centre: tuple[int, int], size: tuple[int, int]) -> Mix:
    """CutMix's box around `centre` (row, column) of an image of `size` (H, W), with sides sqrt(1 - own) of the image's.

    The box is clipped at the border; the own share in the result is what the clipped box leaves.
    """
    (row, column), (height, width) = centre, size
    cut_height, cut_width = (int(side * math.sqrt(1 - own)) for side in size)
    top, bottom = max(row - cut_height // 2, 0), min(row + (cut_height + 1) // 2, height)
    left, right = max(column - cut_width // 2, 0), min(column + (cut_width + 1) // 2, width)
    return Mix(1 - (bottom - top) * (right - left) / (height * width), Box(top, bottom, left, right))


def mix_images(images: Tensor, drawn: Mix) -> Tensor:
    """The batch mixed with its mirror image."""
    if drawn.box is None:
        return images if drawn.own == 1 else images * drawn.own + images.flip(0) * (1 - drawn.own)
    top, bottom, left, right = drawn.box
    mixed = images.clone()
    mixed[..., top:bottom, left:right] = images[..., top:bottom, left:right].flip(0)
    return mixed


def mix_targets(targets: Tensor, drawn: Mix) -> Tensor:
    """The targets (B, K) mixed with their mirror image."""
    return targets if drawn.own == 1 else targets * drawn.own + targets.flip(0) * (1 - drawn.own)


def smooth_targets(labels: Tensor, *, num_classes: int, smoothing: float) -> Tensor:
    """(B, K) float32: smoothing / K everywhere, and 1 - smoothing more at the label."""
    off = smoothing / num_classes
    targets = torch.full((len(labels), num_classes), off, device=labels.device)
    return targets.scatter_(1, labels[:, None], 1 - smoothing + off)


def _uniform(generator: torch.Generator) -> float:
    return torch.rand((), generator=generator).item()


def _integer(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator))


def _beta(alpha: float, generator: torch.Generator) -> float:
    # torch draws a Beta from its global generator only.
    return float(np.random.default_rng(_integer(2**63 - 1, generator)).beta(alpha, alpha))
