"""Bands of rows, put together, are the whole map resized."""

import pytest
import torch
from torch.nn import functional as F

from swinkit.segmentation.bands import ROWS, resized_bands

SIZES = [(5, 7), (1, 9), (31, 4), (150, 20)]
TARGETS = [(1, 1), (5, 7), (5, 20), (64, 7), (65, 30), (3, 200), (200, 3), (301, 11), (640, 16)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rows", [1, 2, 64, 1000])
def test_bands_are_the_whole(size: tuple[int, int], target: tuple[int, int], rows: int) -> None:
    whole = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    bands = list(resized_bands(whole.split(rows, 2), size, target))
    expected = F.interpolate(whole, target, mode="bilinear", align_corners=False)
    assert torch.allclose(torch.cat(bands, 2), expected, atol=1e-4)
    assert size == target or max(band.shape[2] for band in bands) <= ROWS


def test_a_band_comes_as_soon_as_its_rows_are_known() -> None:
    given = 0

    def bands() -> object:
        nonlocal given
        for band in torch.randn(1, 2, 100, 8).split(10, 2):
            given += 10
            yield band

    done = 0
    for band in resized_bands(bands(), (100, 8), (400, 8)):
        done += band.shape[2]
        assert done >= 4 * (given - 10) - 4 or given == 10
    assert (done, given) == (400, 100)
