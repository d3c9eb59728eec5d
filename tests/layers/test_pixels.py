"""Pixels are normalised once: exactly, whatever the model is cast to, and padding becomes nothing."""

import pytest
import torch
from torch import nn

from swinkit.layers.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelNormalisation, pad_batch

SIZES = [(5, 9), (8, 7)]


def images() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in SIZES]


def expected(image: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    mean, std = (torch.tensor(triple)[:, None, None].to(dtype) for triple in (IMAGENET_MEAN, IMAGENET_STD))
    return (image.to(dtype) - mean) / std


@pytest.mark.parametrize("divisor", [1, 4, 32])
def test_a_batch_holds_its_images_and_zeros(divisor: int) -> None:
    batch, sizes = pad_batch(images(), divisor=divisor)
    assert sizes == SIZES and batch.dtype == torch.uint8
    assert batch.shape == (2, 3, *(-(-side // divisor) * divisor for side in (8, 9)))
    for padded, image, (height, width) in zip(batch, images(), SIZES, strict=True):
        assert torch.equal(padded[:, :height, :width], image) and padded.sum() == image.sum()


@pytest.mark.parametrize("fill", [0, 200])
def test_padding_becomes_exactly_0(fill: int) -> None:
    batch, sizes = pad_batch(images())
    for padded, (height, width) in zip(batch, sizes, strict=True):
        padded[:, height:], padded[:, :, width:] = fill, fill
    result = PixelNormalisation()(batch, sizes)
    assert result.dtype == torch.float32
    for normalised, image, (height, width) in zip(result, images(), SIZES, strict=True):
        assert torch.equal(normalised[:, :height, :width], expected(image))
        assert not normalised[:, height:].any() and not normalised[:, :, width:].any()


def test_without_padding_sizes_change_nothing() -> None:
    normalise, image = PixelNormalisation(), images()[0]
    for given in (normalise(image), normalise(image[None])[0], normalise(image[None], [SIZES[0]])[0]):
        assert torch.equal(given, expected(image))
    assert torch.equal(normalise(image[None], [list(SIZES[0])])[0], expected(image))
    own = PixelNormalisation((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))(torch.full((3, 1, 1), 7.0))
    assert torch.equal(own.flatten(), torch.tensor([6 / 4, 5 / 5, 4 / 6]))


@pytest.mark.parametrize(
    "cast",
    [
        lambda model: model.half(),
        lambda model: model.to(torch.bfloat16),
        lambda model: model.double(),
        lambda model: model.half().float(),
        lambda model: model.to("meta").to_empty(device="cpu"),
    ],
)
def test_mean_and_std_stay_what_they_are_when_a_model_is_cast(cast) -> None:
    """In half precision 123.675 would be 123.6875."""
    model = cast(nn.Sequential(PixelNormalisation(), nn.Conv2d(3, 1, 1)))
    normalise = model[0]
    assert normalise.mean.dtype == normalise.std.dtype == torch.float32
    assert normalise.mean.flatten().tolist() == torch.tensor(IMAGENET_MEAN).tolist()
    assert torch.equal(normalise(images()[0]), expected(images()[0]))


def test_numbers_of_any_type_become_float32_and_double_stays_double() -> None:
    image = images()[0]
    for dtype in (torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float32):
        assert torch.equal(PixelNormalisation()(image.to(dtype)), expected(image.to(dtype).float()))
    result = PixelNormalisation()(image.double())
    assert result.dtype == torch.float64 and torch.equal(result, expected(image, torch.float64))


def test_it_has_no_place_in_files() -> None:
    assert PixelNormalisation().state_dict() == {} and not list(PixelNormalisation().parameters())
    moved = PixelNormalisation().to("meta")
    assert {buffer.device.type for buffer in moved.buffers()} == {"meta"} and len(list(moved.buffers())) == 2
