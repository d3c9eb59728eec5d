"""Dividing samples into training and validation, the same way every time."""

import hashlib
from collections.abc import Sequence

import numpy as np

from swinkit.errors import InputError


def stratified_split(
    labels: np.ndarray, names: Sequence[str], *, fraction: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training and of the validation samples, each ascending.

    Of every class, the samples whose hash of (seed, name) is smallest go to validation: `fraction` of them, rounded,
    but at least one on either side where the class has two or more; the only sample of a class goes to training. The
    split depends on names alone, not on their order or on the machine.

    Raises InputError unless 0 < fraction < 1.
    """
    if not 0 < fraction < 1:
        raise InputError(f"the validation fraction is {fraction}; give a number between 0 and 1, such as 0.2")
    ranks = np.array([_rank(name, seed) for name in names], dtype=np.uint64)
    held_out = np.zeros(len(ranks), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        held_out[members[np.argsort(ranks[members], kind="stable")[:count]]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _rank(name: str, seed: int) -> int:
    key = f"{seed}/{name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
