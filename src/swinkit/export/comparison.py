"""Does an exported file compute what the model computes? It is run, at several sizes, before anyone relies on it.

Shapes: B images, H W image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from swinkit.errors import InputError

Outputs = tuple[Tensor, ...]
Shape = tuple[int, int, int]

SHAPES: tuple[Shape, ...] = ((1, 224, 224), (5, 256, 320), (5, 97, 131))
"""(B, H, W) that an export is compared at: the usual one, whole windows, and nothing that fits."""
TOLERANCE = 1e-4
"""Largest difference of any output value, relative to the largest value where that is above 1."""


class Comparison(NamedTuple):
    """How far an exported file is from its model on images of one shape."""

    shape: Shape
    error: float


def outputs_of(model: nn.Module, images: Tensor) -> Outputs:
    """What the model returns, a tensor or several, as a tuple."""
    found = model(images)
    return (found,) if isinstance(found, Tensor) else tuple(found)


@torch.no_grad()
def compare(
    run: Callable[[Tensor], Outputs],
    model: nn.Module,
    *,
    channels: int = 3,
    shapes: Sequence[Shape] = SHAPES,
    tolerance: float = TOLERANCE,
) -> list[Comparison]:
    """Run the exported program and the model on the same random images of every shape.

    Raises:
        InputError: where a difference is above the tolerance, or the program fails.
    """
    comparisons = []
    generator = torch.Generator().manual_seed(0)
    for batch, height, width in shapes:
        images = torch.randn(batch, channels, height, width, generator=generator)
        shown = f"{batch} images of {height} x {width}"
        expected = outputs_of(model, images)
        try:
            found = run(images)
        except Exception as error:  # runtimes raise classes of their own
            raise InputError(f"the exported file fails on {shown}: {str(error).strip().splitlines()[-1]}") from error
        if [each.shape for each in found] != [each.shape for each in expected]:
            raise InputError(f"the exported file gives other shapes than the model on {shown}")
        error_here = max(
            ((a - b).abs().max() / b.abs().max().clamp_min(1)).item() for a, b in zip(found, expected, strict=True)
        )
        if not error_here <= tolerance:
            raise InputError(f"the exported file differs from the model by {error_here:.1e} on {shown}; not written")
        comparisons.append(Comparison((batch, height, width), error_here))
    return comparisons
