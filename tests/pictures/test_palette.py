"""Colours of classes differ, stay, and are colours."""

import colorsys
from itertools import pairwise

from swinkit.pictures.palette import class_colours


def test_colours_differ_and_the_first_ones_stay():
    colours = class_colours(255)
    assert len(set(colours)) == 255
    assert all(0 <= value <= 255 and isinstance(value, int) for colour in colours for value in colour)
    for count in (0, 1, 11, 150):
        assert class_colours(count) == colours[:count]


def test_neighbours_are_far_apart():
    hues = [colorsys.rgb_to_hsv(*(value / 255 for value in colour))[0] for colour in class_colours(150)]
    steps = [min(abs(a - b), 1 - abs(a - b)) for a, b in pairwise(hues)]
    assert min(steps) > 0.3
    for index in range(12):
        for other in range(index):
            distance = sum(abs(a - b) for a, b in zip(*(class_colours(12)[n] for n in (index, other)), strict=True))
            assert distance > 80, (index, other)


def test_no_class_looks_ignored():
    """Grey is for pixels that are not counted."""
    assert all(max(colour) - min(colour) > 60 for colour in class_colours(255))
