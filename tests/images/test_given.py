"""Images as people give them come out as one and the same upright 8-bit RGB, or as one sentence."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from swinkit.errors import InputError
from swinkit.images.given import given_image, given_images

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREY = RGB[:, :, 0]


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_every_form_of_one_image_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(RGB)))
    tensor = torch.from_numpy(RGB).permute(2, 0, 1)
    forms = [path, str(path), path.read_bytes(), Image.fromarray(RGB), Image.open(path), RGB, tensor]
    forms += [RGB[::-1][::-1], RGB.astype(np.int64), RGB / 255, (RGB / 255).astype(np.float32), tensor / 255]
    forms += [RGB.astype(np.uint16) * 257, tensor.int(), (tensor / 255).requires_grad_(), (tensor / 255).double()]
    for form in forms:
        ((image,), is_single) = given_images(form)
        assert is_single and np.array_equal(pixels(image), RGB)
    images, is_single = given_images(forms)
    assert not is_single and all(np.array_equal(pixels(image), RGB) for image in images) and len(images) == len(forms)


@pytest.mark.parametrize("batch", [np.stack([RGB, 255 - RGB]), torch.from_numpy(np.stack([RGB, 255 - RGB]))])
def test_four_dimensions_are_a_batch(batch) -> None:
    images, is_single = given_images(batch if isinstance(batch, np.ndarray) else batch.permute(0, 3, 1, 2))
    assert not is_single and [pixels(image).tolist() for image in images] == [RGB.tolist(), (255 - RGB).tolist()]
    assert given_images(batch[:0]) == ([], False) == given_images(()) and not given_images([RGB])[1]


@pytest.mark.parametrize(
    "grey",
    [
        GREY,
        GREY[:, :, None],
        torch.from_numpy(GREY.copy())[None],
        GREY / 255,
        GREY.astype(np.uint16) * 257,
        GREY.astype(np.int32),
        Image.fromarray(GREY),
        Image.fromarray(GREY.astype(np.uint16) * 257),
        encoded(Image.fromarray(GREY.astype(np.uint16) * 257)),
    ],
)
def test_grey_is_three_equal_channels(grey) -> None:
    assert np.array_equal(pixels(given_image(grey)), np.stack([GREY] * 3, 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_shares_in_any_precision(dtype: torch.dtype) -> None:
    assert pixels(given_image(torch.full((3, 2, 2), 0.5, dtype=dtype))).tolist() == [[[128] * 3] * 2] * 2


def test_true_is_white() -> None:
    expected = np.stack([np.where(GREY > 99, 255, 0)] * 3, 2)
    for mask in (GREY > 99, torch.from_numpy(GREY > 99)[None], Image.fromarray(GREY > 99)):
        assert np.array_equal(pixels(given_image(mask)), expected)


def test_transparency_lies_on_white() -> None:
    alpha = np.zeros((5, 7, 1), np.uint8)
    alpha[:, :3] = 255
    rgba = np.concatenate([RGB, alpha], 2)
    expected = np.where(alpha == 255, RGB, 255)
    for form in (rgba, torch.from_numpy(rgba).permute(2, 0, 1), Image.fromarray(rgba), rgba / 255):
        assert np.array_equal(pixels(given_image(form)), expected)


def test_palettes_and_turned_photographs() -> None:
    colours = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90], [1, 2, 3]])
    palette = Image.fromarray(GREY % 4)
    palette.putpalette(colours.flatten().tolist())
    for form in (palette, encoded(palette)):
        assert palette.mode == "P" and np.array_equal(pixels(given_image(form)), colours[GREY % 4])
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    turned = encoded(Image.fromarray(RGB), exif=exif)
    for form in (turned, Image.open(io.BytesIO(turned))):
        assert np.array_equal(pixels(given_image(form)), np.rot90(RGB, -1))


def test_the_given_image_is_not_touched() -> None:
    image = Image.fromarray(RGB)
    array = RGB.copy()
    given_image(image).putpixel((0, 0), (1, 2, 3))
    given_image(array).putpixel((0, 0), (1, 2, 3))
    assert np.array_equal(np.asarray(image), RGB) and np.array_equal(array, RGB)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (7, "an image is a path, bytes, a PIL image, an array or a tensor, not int"),
        (None, "not NoneType"),
        ([RGB, None], "not NoneType"),
        ({"image": RGB}, "there is no image image"),
        ("absent.jpg", "there is no image absent.jpg"),
        (b"", "the image is empty"),
        (b"text", "the image is not an image in a format that can be read"),
        (RGB.transpose(2, 0, 1), "should be (H, W), (H, W, 3) or (H, W, 4), not (3, 5, 7)"),
        (RGB[:, :, :2], "not (5, 7, 2)"),
        (RGB[:0], "not (0, 7, 3)"),
        (RGB[0, 0], "not (3,)"),
        (np.zeros((1, 1, 5, 7, 3), np.uint8), "not (1, 1, 5, 7, 3)"),
        (torch.from_numpy(RGB), "an image's tensor should be (3, H, W), not (5, 7, 3)"),
        (torch.from_numpy(GREY.copy()), "not (5, 7)"),
        (torch.zeros(3, 0, 7), "not (0, 7, 3)"),
        (RGB.astype(np.float32), "0..1, not 0..248; divide by 255"),
        (torch.full((3, 2, 2), -0.5), "0..1, not -0.5..-0.5"),
        (np.full((2, 2), np.nan), "0..1, not nan..nan"),
        (np.full((2, 2), 256), "whole numbers should be 0..255, not 256..256"),
        (np.full((2, 2), -1), "0..255, not -1..-1"),
        (np.full((2, 2), "a"), "should hold numbers, not <U1"),
        (np.full((2, 2), 1j), "should hold numbers, not complex128"),
        (Image.fromarray(np.zeros((2, 2), np.float32)), "floating-point pixels of unknown range"),
    ],
)
def test_what_is_no_image_is_one_sentence(wrong, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        given_images(wrong)
    assert sentence in str(error.value) and "\n" not in str(error.value)
