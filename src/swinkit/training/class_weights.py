"""What each class weighs in a loss, as it is told or as it follows from how much there is of each.

Shapes: K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from swinkit.errors import InputError

ClassWeights = tuple[float, ...] | Literal["balanced"]


def check_class_weights(told: Sequence[float], num_classes: int) -> None:
    """Raises InputError where these are not K numbers from 0 on, of which one is above 0."""
    if len(told) != num_classes or not all(weight >= 0 for weight in told) or not any(told):
        raise _refused(told, num_classes)


def weights_of_classes(told: ClassWeights, counts: Sequence[int]) -> Tensor:
    """(K,) float32: `told`, or for "balanced" numbers with which every class that there is counts the same; scaled so
    that one of what is counted weighs 1 in the mean, and the learning rate need not change.

    Args:
        told: one number from 0 on for each class, or "balanced".
        counts: training images, instances or pixels of each class.

    Raises:
        InputError: where there is another number of them, or nothing that there is weighs anything.
    """
    number = torch.tensor(counts, dtype=torch.float64)
    if isinstance(told, str):  # "balanced"
        weights = torch.where(number > 0, 1 / number.clamp(min=1), 0.0)
    else:
        check_class_weights(told, len(counts))
        weights = torch.tensor(told, dtype=torch.float64)
        if not float((weights * number).sum()) > 0:
            raise _refused(told, len(counts))
    mean = (weights * number).sum() / number.sum()
    return (weights / mean).float()


def _refused(told: Sequence[float], num_classes: int) -> InputError:
    return InputError(
        f"--class-weights must be {num_classes} numbers from 0 on, not all 0, one for each class, or balanced; there "
        f"are {len(told)}"
    )
