"""InstaBoost's heat map (arXiv 1908.07801, section 3.3): places whose surroundings look like an object's own.

Shapes: H W image, P places, R pixels of a ring.
"""

from __future__ import annotations

import importlib

import numpy as np

from swinkit.detection.data.draws import happens, whole_number

STEP = 10
"""Places that are looked at lie so many pixels apart."""
RINGS = ((2, 0.4), (4, 0.35), (6, 0.25))
"""Around the object, from the inside out: how often it is dilated by 5 x 5 pixels up to the ring's outer edge, and the
ring's weight."""
RING_PIXELS = 500
"""At most so many of a ring are compared, evenly spread over it."""
HOT, WARM = 200, 150
"""Least heat, 0..255, of places to choose from: the hot ones, or with the probability `MORE` all that are warm."""
MORE = 0.4


def drawn_place(pixels: np.ndarray, filled: np.ndarray, cover: np.ndarray) -> tuple[int, int]:
    """How far, (right, down) in pixels, an object is moved to a random place that looks like its own.

    Args:
        pixels: (H, W, 3) uint8.
        filled: the same with the objects painted over.
        cover: (H, W) bool, the object.
    """
    cv2, kernel = importlib.import_module("cv2"), np.ones((5, 5), np.uint8)
    shifts = _shifts(cover)  # (P, 2) of (down, right)
    costs, possible, inner = np.zeros(len(shifts)), np.ones(len(shifts), dtype=bool), cover
    for times, weight in RINGS:
        outer = cv2.dilate(cover.astype(np.uint8), kernel, iterations=times) > 0
        ring = np.argwhere(outer & ~inner)
        ring = ring[np.linspace(0, len(ring) - 1, min(len(ring), RING_PIXELS)).round().astype(int)]  # (R, 2)
        cost, inside = _costs(pixels, filled, ring, shifts)
        costs, possible, inner = costs + weight * cost, possible & inside, outer
    heat = np.where(possible, 1 - costs / max(costs[possible].max(initial=0), 1e-9), 0) ** 3
    heat *= 255 / max(heat.max(), 1e-9)
    hot, warm = np.flatnonzero(heat > HOT), np.flatnonzero(heat > WARM)
    chosen = hot if len(hot) and not happens(MORE) else warm
    down, right = shifts[chosen[whole_number(0, len(chosen) - 1)]] if len(chosen) else (0, 0)
    return int(right), int(down)


def _shifts(cover: np.ndarray) -> np.ndarray:
    """(P, 2): to stay, and all that bring the object's centre to a place of the grid."""
    centre = np.argwhere(cover).mean(0).round().astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(0, length, STEP) for length in cover.shape), indexing="ij"), -1)
    return np.concatenate([[[0, 0]], grid.reshape(-1, 2) - centre])


def _costs(
    pixels: np.ndarray, filled: np.ndarray, ring: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(P,) how unlike the ring's pixels are, 0..R times the square root of 3, and whether all of them lie inside."""
    here = pixels[ring[:, 0], ring[:, 1]].astype(np.float32)  # (R, 3)
    costs, inside = np.zeros(len(shifts)), np.zeros(len(shifts), dtype=bool)
    for number, shift in enumerate(shifts):
        there = ring + shift
        if there.min(initial=0) >= 0 and (there < pixels.shape[:2]).all():
            inside[number] = True
            costs[number] = np.linalg.norm(filled[there[:, 0], there[:, 1]] - here, axis=1).sum() / 255
    return costs, inside
