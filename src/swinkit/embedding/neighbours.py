"""Nearest neighbours among features by their cosine, and what they say: classes, and images that are nearly the same.

Shapes: N images, C channels, k neighbours, K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NEIGHBOURS = 20
"""k, or as many as there are."""
TEMPERATURE = 0.07
"""A neighbour's vote is exp(cosine / this) (arXiv 1805.01978, section 3.4)."""
SAME_FEATURES, SAME_PIXELS = 0.95, 0.95
"""Cosine of features, and correlation of thumbnails, from which two images are nearly the same. A trained classifier
gives one class nearly one feature, so that features alone do not tell."""
_ROWS = 1024


class Neighbours(NamedTuple):
    """Of each of N images the k others that are nearest, nearest first."""

    numbers: np.ndarray
    """(N, k) int64."""
    cosines: np.ndarray
    """(N, k) float32, -1..1."""


class Pair(NamedTuple):
    """Two images that are nearly the same."""

    first: int
    second: int
    """Their numbers."""
    similarity: float
    """Correlation of their thumbnails, -1..1."""
    is_mirrored: bool


def nearest(features: np.ndarray, count: int = NEIGHBOURS) -> Neighbours:
    """The nearest others of every row of (N, C), and of equally near ones first that with the lower number."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    unit = unit.astype(np.float32)
    count = min(count, len(unit) - 1)
    if count < 1:
        return Neighbours(np.zeros((len(unit), 0), dtype=np.int64), np.zeros((len(unit), 0), dtype=np.float32))
    numbers, cosines = [], []
    for start in range(0, len(unit), _ROWS):
        near = unit[start : start + _ROWS] @ unit.T
        near[np.arange(len(near)), np.arange(start, start + len(near))] = -np.inf
        chosen = np.sort(np.argpartition(-near, count - 1, axis=1)[:, :count], axis=1)
        values = np.take_along_axis(near, chosen, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        numbers.append(np.take_along_axis(chosen, order, axis=1))
        cosines.append(np.take_along_axis(values, order, axis=1))
    return Neighbours(np.concatenate(numbers), np.concatenate(cosines))


def voted(neighbours: Neighbours, labels: np.ndarray, classes: int) -> np.ndarray:
    """What the neighbours' labels say of every image, its own left out: probabilities (N, K)."""
    votes = np.exp((neighbours.cosines - neighbours.cosines[:, :1]) / TEMPERATURE)
    found = np.zeros((len(labels), classes))
    for place in range(votes.shape[1]):
        found[np.arange(len(labels)), labels[neighbours.numbers[:, place]]] += votes[:, place]
    return found / found.sum(1, keepdims=True)


def near_duplicates(neighbours: Neighbours, thumbnails: np.ndarray) -> list[Pair]:
    """Pairs of images whose features and whose thumbnails are nearly the same, or mirrored, most similar first.

    Args:
        neighbours: of N images.
        thumbnails: (N, h, w, 3), of one size whatever the images' proportions.
    """
    pixels = _standardised(thumbnails)
    mirrored = _standardised(thumbnails[:, :, ::-1])
    pairs = []
    for first, place in zip(*np.nonzero(neighbours.cosines >= SAME_FEATURES), strict=True):
        second = int(neighbours.numbers[first, place])
        if second < first and int(first) in neighbours.numbers[second]:
            continue  # found from the other side
        straight, turned = float(pixels[first] @ pixels[second]), float(mirrored[first] @ pixels[second])
        if max(straight, turned) >= SAME_PIXELS:
            low, high = sorted((int(first), second))
            pairs.append(Pair(low, high, max(straight, turned), turned > straight))
    return sorted(set(pairs), key=lambda pair: (-pair.similarity, pair.first, pair.second))


def _standardised(thumbnails: np.ndarray) -> np.ndarray:
    """Rows whose products are correlations: (N, h w 3)."""
    rows = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    rows = rows - rows.mean(1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
