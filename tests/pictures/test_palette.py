"""Colours of classes and of instances can be told apart, stay, and are colours."""

from __future__ import annotations

import numpy as np
import pytest
from colour_difference import ciede2000, lab_of

from swinkit.pictures.palette import class_colours, colours_of_one_class, hex_code, instance_colours, is_background


def smallest_difference(colours: list[tuple[int, int, int]]) -> float:
    lab = lab_of(colours)
    return float((ciede2000(lab, lab) + 1e3 * np.eye(len(lab))).min())


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1, 2), (50, 0, 0), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_difference_is_the_one_of_the_standard(one: tuple, other: tuple, difference: float) -> None:
    """Pairs of Sharma, Wu and Dalal (2005), table 1."""
    assert ciede2000(np.array([one]), np.array([other]))[0, 0] == pytest.approx(difference, abs=5e-5)


@pytest.mark.parametrize(("count", "least"), [(2, 66.3), (10, 26.0), (20, 18.1), (80, 9.4), (150, 6.9), (255, 5.5)])
def test_classes_can_be_told_apart(count: int, least: float) -> None:
    assert smallest_difference(class_colours(count)) > least


def test_the_first_colours_stay() -> None:
    colours = class_colours(600)
    assert all(0 <= value <= 255 and isinstance(value, int) for colour in colours for value in colour)
    for count in (0, 1, 11, 150):
        assert class_colours(count) == colours[:count]
    assert colours[255:510] == colours[:255]
    assert hex_code(colours[0]) == "#0078f0"


def test_no_class_looks_ignored() -> None:
    """Grey is for pixels that are not counted."""
    assert ciede2000(lab_of(class_colours(255)), lab_of([(128, 128, 128)])).min() > 5.5
    assert all(max(colour) - min(colour) > 60 for colour in class_colours(255))


def test_instances_of_the_only_class_are_as_different_as_classes() -> None:
    assert colours_of_one_class(40, 0) == class_colours(40)
    assert colours_of_one_class(3, 7) == class_colours(10)[7:]


def test_instances_beside_other_classes_are_shades_of_their_class() -> None:
    for label in range(255):
        shades = instance_colours([label] * 4, class_colours(255))
        assert shades[0] == class_colours(255)[label]
        assert smallest_difference(shades) > 7.8
    assert instance_colours([3, 0, 3], class_colours(10))[1] == class_colours(10)[0]
    assert instance_colours([3, 0, *[3] * 4], class_colours(10))[-1] == class_colours(10)[3]


@pytest.mark.parametrize("name", ["background", "Background", "_background_", "bg"])
def test_the_background_is_known_by_its_name(name: str) -> None:
    assert is_background(name)
    assert not is_background(f"{name} music")
