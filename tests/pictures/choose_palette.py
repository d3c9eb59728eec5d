"""Chooses the colours of `swinkit.pictures.palette`: python tests/pictures/choose_palette.py

Each next colour is the one that is farthest, in CIEDE2000, from all before it, so that the first n are always as
different as they can be. The candidates are sRGB colours in steps of 15 that are neither pale, dark nor grey, as grey
means "not counted", and images are seen through the colours.
"""

from __future__ import annotations

import itertools

import numpy as np
from colour_difference import ciede2000, lab_of

COUNT = 255
FIRST = (0, 120, 240)
AVOIDED = ((128, 128, 128), (255, 255, 255), (0, 0, 0))


def choose(count: int = COUNT) -> list[tuple[int, int, int]]:
    colours = np.array(list(itertools.product(range(0, 256, 15), repeat=3)))
    lab = lab_of(colours)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] > 42) & (lab[:, 0] < 90) & (chroma > 30) & (np.ptp(colours, axis=1) > 60)
    colours, lab = colours[usable], lab[usable]
    chosen = [int(np.abs(colours - FIRST).sum(axis=1).argmin())]
    nearest = np.minimum(ciede2000(lab, lab_of(AVOIDED)).min(axis=1), ciede2000(lab, lab[chosen])[:, 0])
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, ciede2000(lab, lab[chosen[-1:]])[:, 0])
    return [tuple(colour) for colour in colours[chosen].tolist()]


if __name__ == "__main__":
    palette = choose()
    for start in range(0, COUNT, 15):
        print(f'    "{" ".join("{:02x}{:02x}{:02x}".format(*colour) for colour in palette[start : start + 15])}"')
    lab = lab_of(palette)
    distances = ciede2000(lab, lab) + 1e3 * np.eye(COUNT)
    for count in (2, 10, 20, 50, 80, 150, 255):
        print(count, distances[:count, :count].min().round(2))
