"""A colour for every class, the same every time."""

from __future__ import annotations

import colorsys

_GOLDEN = 0.618033988749895
_TONES = ((0.85, 0.95), (0.45, 0.95), (0.95, 0.65))
"""Saturation and value, one pair after the other: three, so that close hues (8 or 13 apart) differ in tone."""


def class_colours(count: int) -> list[tuple[int, int, int]]:
    """`count` RGB colours, 0..255, neighbours far apart in hue; the first ones stay when there are more."""
    colours = []
    for number in range(count):
        saturation, value = _TONES[number % len(_TONES)]
        rgb = colorsys.hsv_to_rgb((0.58 + number * _GOLDEN) % 1.0, saturation, value)
        colours.append((round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2])))
    return colours
