"""Does an exported file compute what the model computes? It is run, at several sizes, before anyone relies on it.

Shapes: B images, H W image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from swinkit.errors import InputError

Outputs = tuple[Tensor, ...]
Run = Callable[[Tensor], Outputs]
"""An exported file as a function of images (B, C, H, W) on the CPU."""
Shape = tuple[int, int, int]

EXAMPLE: Shape = (2, 224, 256)
"""(B, H, W) of the images that a model is traced with; see `export_program`."""
SHAPES: tuple[Shape, ...] = ((1, 224, 224), (5, 256, 320), (5, 97, 131))
"""(B, H, W) that an export is compared at: the usual one, whole windows, and nothing that fits."""
TOLERANCE = 1e-4
"""Largest difference of any output value, relative to the largest value where that is above 1."""


class Verdict(NamedTuple):
    """How far what a file gave is from what its model gave."""

    error: float
    is_equal: bool
    text: str
    """The difference in words, behind "differs"."""


Judge = Callable[[Outputs, Outputs], Verdict]
"""From what the file gave and what the model gave for the same images to how far they are apart."""


class Comparison(NamedTuple):
    """How far an exported file is from its model on images of one shape."""

    shape: Shape
    error: float
    text: str


def same_values(found: Outputs, expected: Outputs) -> Verdict:
    """Tensors are compared value by value."""
    if [each.shape for each in found] != [each.shape for each in expected]:
        return Verdict(torch.inf, False, "by other shapes than the model's")
    apart = [(a - b).abs().max() / b.abs().max().clamp_min(1) for a, b in zip(found, expected, strict=True)]
    error = torch.stack(apart).max().item()  # which is nan where one of them is
    return Verdict(error, error <= TOLERANCE, f"by {error:.1e}")


@dataclass(frozen=True)
class Trial:
    """What a model is traced with, and what its file is compared on."""

    example: Tensor
    """Images (B, C, H, W) to trace with: H and W different, and B at least 2 where it is free, so that none is taken
    for a constant."""
    images: tuple[Tensor, ...]
    """Images of several sizes on which the file must agree with the model."""
    judge: Judge = same_values
    is_batch_free: bool = True
    """Whether the file takes any number of images, else as many as `example` has."""


def random_trial(
    *, channels: int = 3, example: Shape = EXAMPLE, shapes: Sequence[Shape] = SHAPES, pixels: bool = False
) -> Trial:
    """Random images of these shapes: normalised ones or, with `pixels`, whole values 0..255."""
    generator = torch.Generator().manual_seed(0)

    def drawn(shape: Shape) -> Tensor:
        size = (shape[0], channels, *shape[1:])
        if pixels:
            return torch.randint(0, 256, size, generator=generator).float()
        return torch.randn(size, generator=generator)

    return Trial(drawn(example), tuple(drawn(shape) for shape in shapes))


def outputs_of(model: nn.Module, images: Tensor) -> Outputs:
    """What the model returns, a tensor or several, as a tuple."""
    found = model(images)
    return (found,) if isinstance(found, Tensor) else tuple(found)


@torch.no_grad()
def compare(run: Run, model: nn.Module, trial: Trial, *, name: str = "the exported file") -> list[Comparison]:
    """Run the exported program, which errors call `name`, and the model on the same images.

    Raises:
        InputError: where they disagree, or the program fails.
    """
    comparisons = []
    for images in trial.images:
        batch, _, height, width = images.shape
        shown = f"{batch} image{'' if batch == 1 else 's'} of {height} x {width}"
        expected = outputs_of(model, images)
        try:
            found = run(images)
        except Exception as error:  # runtimes raise classes of their own
            raise InputError(f"{name} fails on {shown}: {str(error).strip().splitlines()[-1]}") from error
        verdict = trial.judge(found, expected)
        if not verdict.is_equal:
            raise InputError(f"{name} differs from the model {verdict.text} on {shown}; not written")
        comparisons.append(Comparison((batch, height, width), verdict.error, verdict.text))
    return comparisons
