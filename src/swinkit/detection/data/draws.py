"""Random numbers for augmentations, from torch's global generator, which is seeded per sample."""

import torch


def happens(probability: float) -> bool:
    return bool(torch.rand(()) < probability)


def whole_number(low: int, high: int) -> int:
    """Drawn evenly from low..high."""
    return int(torch.randint(low, high + 1, ()))


def number(low: float, high: float) -> float:
    """Drawn evenly between the two."""
    return low + (high - low) * float(torch.rand((), dtype=torch.float64))
