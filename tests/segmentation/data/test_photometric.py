"""Brightness, contrast, saturation and hue stay in the published ranges, and each comes half of the time."""

import numpy as np
import pytest
import torch
from PIL import Image

from swinkit.segmentation.data import photometric
from swinkit.segmentation.data.photometric import distort

GREY = Image.new("RGB", (4, 4), (100, 100, 100))
ORANGE = Image.new("RGB", (4, 4), (200, 120, 40))


def many(image: Image.Image, count: int = 1500) -> np.ndarray:
    """The (N, 3) colours that one colour becomes."""
    torch.manual_seed(0)
    return np.array([distort(image).getpixel((0, 0)) for _ in range(count)])


def test_range_of_brightness_and_contrast():
    """Grey has no hue and no saturation: 100 becomes at least (100 - 32) / 2 and at most (100 + 32) * 1.5."""
    values = many(GREY)
    assert (values == values[:, :1]).all()
    low, high = values.min(), values.max()
    assert 33 <= low < 38 and 190 < high <= 198
    unchanged = (values[:, 0] == 100).mean()
    assert unchanged == pytest.approx(0.25, abs=0.05)


def only(monkeypatch: pytest.MonkeyPatch, heads: list[bool], share: float) -> tuple[int, int, int]:
    """The colour after these throws of the coin, each number drawn at `share` of its range."""
    throws = iter(heads)
    monkeypatch.setattr(photometric, "_heads", lambda: next(throws))
    monkeypatch.setattr(photometric, "_uniform", lambda low, high: low + share * (high - low))
    colour = distort(ORANGE).getpixel((0, 0))
    assert next(throws, None) is None
    return colour


@pytest.mark.parametrize(
    ("heads", "share", "expected"),
    [
        # brightness, contrast first, [contrast], saturation, hue, [contrast]
        ([False, True, False, False, False], 1.0, (200, 120, 40)),
        ([False, False, False, False, False], 1.0, (200, 120, 40)),
        ([True, True, False, False, False], 1.0, (232, 152, 72)),
        ([True, True, False, False, False], 0.0, (168, 88, 8)),
        ([False, True, True, False, False], 1.0, (255, 180, 60)),
        ([False, False, False, False, True], 1.0, (255, 180, 60)),
        ([False, False, False, False, True], 0.0, (100, 60, 20)),
        ([True, True, True, False, False], 1.0, (255, 228, 108)),
    ],
)
def test_brightness_and_contrast(monkeypatch, heads, share, expected):
    assert only(monkeypatch, heads, share) == expected


def test_saturation_keeps_the_brightest_channel(monkeypatch):
    less = only(monkeypatch, [False, True, False, True, False], 0.0)
    more = only(monkeypatch, [False, True, False, True, False], 0.9)
    assert less == pytest.approx((200, 160, 120), abs=2) and more[0] == 200 and more[2] < 10


def test_hue_turns_by_a_tenth_of_the_circle(monkeypatch):
    """36 of 360 degrees: from orange (30 degrees) to red (-6) and to yellow (66)."""
    red = only(monkeypatch, [False, True, False, False, True], 0.0)
    yellow = only(monkeypatch, [False, True, False, False, True], 1.0)
    assert red == pytest.approx((200, 40, 56), abs=5) and yellow == pytest.approx((184, 200, 40), abs=5)


def test_every_result_is_an_rgb_image_of_the_same_size():
    torch.manual_seed(0)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1, 7, 3), dtype=np.uint8))
    for _ in range(20):
        result = distort(noise)
        assert result.mode == "RGB" and result.size == (7, 1)


@pytest.mark.filterwarnings("error")
def test_nothing_here_is_deprecated():
    many(ORANGE, 20)
