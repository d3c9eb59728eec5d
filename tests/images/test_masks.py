"""Masks of every kind are read as class numbers, and every other file is refused in a sentence that names it."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from swinkit.errors import InputError
from swinkit.images.masks import MaskError, check_mask_header, read_mask
from swinkit.images.read import read_image

VALUES = np.array([[0, 1, 2, 7], [255, 3, 3, 0]], dtype=np.uint8)


def saved(path, values, mode=None):
    image = Image.fromarray(values)
    if mode is not None:
        image = image.convert(mode)
    image.save(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_grey_masks(tmp_path, suffix):
    values = read_mask(saved(tmp_path / f"a.{suffix}", VALUES))
    assert values.dtype == np.uint8 and np.array_equal(values, VALUES)


def test_a_palette_shows_and_does_not_change_the_values(tmp_path):
    for number, palette in enumerate((list(range(256)) * 3, [9] * 768)):
        image = Image.fromarray(VALUES)
        image.putpalette(palette)
        image.save(tmp_path / f"{number}.png", transparency=0)
        assert np.array_equal(read_mask(tmp_path / f"{number}.png"), VALUES)


def test_gif(tmp_path):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)  # of unused values Pillow's GIF writer makes others
    assert np.array_equal(read_mask(saved(tmp_path / "a.gif", values)), values)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_bits(tmp_path, bits):
    values = (VALUES % 2**bits).astype(np.uint8)
    image = Image.fromarray(values)
    image.putpalette([0, 0, 0] + [255, 0, 0] * (2**bits - 1))
    image.save(tmp_path / "a.png", bits=bits)
    assert np.array_equal(read_mask(tmp_path / "a.png"), values)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits(tmp_path, suffix):
    values = VALUES.astype(np.uint16) * 256 + 1
    assert np.array_equal(read_mask(saved(tmp_path / f"a.{suffix}", values)), values)


def test_thirty_two_bits(tmp_path):
    values = VALUES.astype(np.int32) + 70_000
    assert np.array_equal(read_mask(saved(tmp_path / "a.tif", values)), values)


def test_black_and_white_is_0_and_1(tmp_path):
    path = saved(tmp_path / "a.png", np.where(VALUES > 1, 255, 0).astype(np.uint8), "1")
    assert np.array_equal(read_mask(path), VALUES > 1)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_colour_masks_are_refused(tmp_path, mode):
    path = saved(tmp_path / "a.png", VALUES, mode)
    for check in (lambda: read_mask(path), lambda: check_mask_header(path, (2, 4))):
        with pytest.raises(MaskError) as caught:
            check()
        assert str(caught.value) == (
            f"the mask {path} is a colour image ({mode}); save one class number a pixel, as a grey or palette PNG"
        )


def test_another_size_is_refused(tmp_path):
    path = saved(tmp_path / "a.png", VALUES)
    assert read_mask(path, size=(2, 4)).shape == (2, 4)
    check_mask_header(path, (2, 4))
    for check in (lambda: read_mask(path, size=(4, 2)), lambda: check_mask_header(path, (4, 2))):
        with pytest.raises(MaskError, match=r"a\.png has 2 x 4 pixels, its image 4 x 2 \(height x width\)"):
            check()


def test_files_that_are_no_masks(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no mask")
    whole = saved(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (50, 50), dtype=np.uint8)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    saved(tmp_path / "a.jpg", VALUES).rename(tmp_path / "jpeg.png")
    for name in ("empty", "text", "cut", "jpeg"):
        with pytest.raises(MaskError, match=rf"{name}\.png is no mask that can be read \(.+\); save it as"):
            read_mask(tmp_path / f"{name}.png")
    with pytest.raises(MaskError, match=r"there is no mask .*missing\.png"):
        read_mask(tmp_path / "missing.png")
    for name in ("empty", "text", "missing"):
        with pytest.raises(MaskError, match=rf"{name}\.png"):
            check_mask_header(tmp_path / f"{name}.png", (50, 50))


def test_too_large_to_be_a_mask(tmp_path, monkeypatch):
    monkeypatch.setattr("swinkit.images.masks.MAX_PIXELS", 7)
    path = saved(tmp_path / "a.png", VALUES)
    with pytest.raises(MaskError, match="2 x 4 pixels, more than the limit of 7"):
        read_mask(path)


def test_a_length_that_the_file_does_not_have_takes_no_memory(tmp_path):
    path = saved(tmp_path / "claims.png", np.zeros((4, 4), np.uint8))
    content = path.read_bytes()
    start = content.index(b"IDAT") - 4
    path.write_bytes(content[:start] + (2**31 - 1).to_bytes(4, "big") + content[start + 4 :])
    tracemalloc.start()
    try:
        for read in (read_mask, read_image):
            try:
                read(path)
            except InputError as error:
                assert str(path) in str(error)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
