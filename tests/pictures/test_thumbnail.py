"""Any image becomes an upright RGB one of the size asked for, its pixels kept where they are few."""

import numpy as np
import pytest
from PIL import Image

from swinkit.pictures.thumbnail import as_rgb, thumbnail


@pytest.mark.parametrize(
    ("size", "expected"),
    [((8, 8), (100, 100)), ((4000, 1000), (120, 30)), ((1, 5000), (1, 100)), ((300, 300), (100, 100))],
)
def test_images_fit_into_the_box_in_their_proportions(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert thumbnail(Image.new("RGB", size), 120, 100).size == expected


def test_tiny_images_keep_their_pixels_and_larger_ones_are_smooth() -> None:
    checks = np.indices((8, 8)).sum(axis=0) % 2 * 255
    tiny = thumbnail(Image.fromarray(checks.astype(np.uint8)), 100, 100)
    assert set(np.unique(np.asarray(tiny))) == {0, 255}
    larger = Image.fromarray(np.kron(checks, np.ones((10, 10))).astype(np.uint8))
    assert len(np.unique(np.asarray(thumbnail(larger, 100, 100)))) > 2


def test_rotated_images_stand_upright() -> None:
    image = Image.new("RGB", (40, 20))
    image.getexif()[274] = 6
    assert thumbnail(image, 80, 80).size == (40, 80)


def test_every_mode_becomes_rgb() -> None:
    deep = Image.fromarray(np.array([[0, 1000, 2000]], dtype=np.uint16))
    assert np.asarray(as_rgb(deep))[0, :, 0].tolist() == [0, 127, 255]
    assert as_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)
    assert as_rgb(Image.new("CMYK", (1, 1), (255, 0, 0, 0))).getpixel((0, 0)) == (0, 255, 255)
    palette = Image.new("P", (1, 1))
    palette.putpalette([10, 20, 30])
    assert as_rgb(palette).getpixel((0, 0)) == (10, 20, 30)
    assert as_rgb(Image.new("F", (1, 1), float("nan"))).getpixel((0, 0)) == (0, 0, 0)
