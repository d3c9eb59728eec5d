"""Every kind of image file that people have, good and bad, through read_image."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swinkit.errors import InputError
from swinkit.images.read import ImageError, is_image_name, read_image, read_image_size

RED, GREEN, WHITE = (200, 10, 20), (0, 128, 0), (255, 255, 255)


def saved(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


def pixel(path: Path, at=(0, 0)) -> tuple[int, ...]:
    image = read_image(path)
    assert image.mode == "RGB"
    return image.getpixel(at)


def noise(width=64, height=48) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_rgb_is_read_exactly_from_path_string_and_bytes(tmp_path):
    path = saved(noise(), tmp_path / "a.png")
    for source in (path, str(path), path.read_bytes()):
        assert np.array_equal(np.asarray(read_image(source)), np.asarray(noise()))


def test_grey_and_bilevel(tmp_path):
    assert pixel(saved(Image.new("L", (4, 4), 77), tmp_path / "l.png")) == (77, 77, 77)
    assert pixel(saved(Image.new("1", (4, 4), 1), tmp_path / "one.png")) == WHITE


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    values = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    image = read_image(saved(Image.fromarray(values), tmp_path / f"a.{suffix}"))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_big_endian_sixteen_bit(tmp_path):
    saved(Image.frombytes("I;16B", (2, 1), bytes([0xFF, 0xFF, 0x01, 0x01])), tmp_path / "a.tif")
    assert np.asarray(read_image(tmp_path / "a.tif"))[0, :, 0].tolist() == [255, 1]


def test_values_of_unknown_range_are_an_error(tmp_path):
    floats = saved(Image.fromarray(np.ones((2, 2), dtype=np.float32)), tmp_path / "f.tif")
    with pytest.raises(ImageError, match=r"f\.tif holds floating-point"):
        read_image(floats)
    wide = saved(Image.fromarray(np.full((2, 2), 70000, dtype=np.int32)), tmp_path / "i.tif")
    with pytest.raises(ImageError, match=r"i\.tif holds grey values outside"):
        read_image(wide)


def test_palette_with_and_without_transparency(tmp_path):
    palette = Image.new("RGB", (8, 8), GREEN).quantize(4)
    assert pixel(saved(palette, tmp_path / "p.png")) == GREEN
    index = palette.getpixel((0, 0))
    assert pixel(saved(palette, tmp_path / "t.png", transparency=index)) == WHITE


def test_alpha_is_laid_on_white(tmp_path):
    assert pixel(saved(Image.new("RGBA", (4, 4), (9, 9, 9, 0)), tmp_path / "clear.png")) == WHITE
    assert pixel(saved(Image.new("RGBA", (4, 4), (*RED, 255)), tmp_path / "opaque.png")) == RED
    assert pixel(saved(Image.new("LA", (4, 4), (0, 128)), tmp_path / "half.png")) == (127, 127, 127)
    assert pixel(saved(Image.new("RGB", (4, 4), RED), tmp_path / "key.png", transparency=RED)) == WHITE


def test_cmyk_jpeg_keeps_its_colour(tmp_path):
    path = saved(Image.new("RGB", (16, 16), RED).convert("CMYK"), tmp_path / "a.jpg", quality=95)
    assert Image.open(path).mode == "CMYK"
    assert np.allclose(pixel(path), RED, atol=6)


def test_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (GREEN, RED)]
    for suffix in ("gif", "png", "webp"):
        options = {"lossless": True} if suffix == "webp" else {}
        path = saved(frames[0], tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
        assert pixel(path) == GREEN


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (3, 1)), (6, (1, 0)), (8, (0, 3)), (5, (0, 0))])
def test_exif_orientation_is_applied(tmp_path, orientation, corner):
    image = Image.new("RGB", (4, 2))
    image.putpixel((0, 0), RED)
    exif = Image.Exif()
    exif[0x0112] = orientation
    result = read_image(saved(image, tmp_path / "a.png", exif=exif))
    assert result.size == ((4, 2) if orientation in (1, 3) else (2, 4))
    assert result.getpixel(corner) == RED


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_matter(tmp_path):
    path = saved(noise(), tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffrubbish")
    assert read_image(path).size == (64, 48)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp", "tif"])
def test_truncated(tmp_path, suffix):
    path = saved(noise(), tmp_path / f"cut.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match=rf"cut\.{suffix} is (a damaged or truncated|not an) image"):
        read_image(path)


def test_empty_non_image_missing_folder(tmp_path):
    (tmp_path / "zero.jpg").touch()
    (tmp_path / "text.jpg").write_text("I am no image")
    for name, message in {
        "zero.jpg": r"zero\.jpg is empty",
        "text.jpg": r"text\.jpg is not an image",
        "gone.jpg": r"there is no image .*gone\.jpg",
        "": r"cannot read the image .*: Is a directory",
    }.items():
        with pytest.raises(ImageError, match=message):
            read_image(tmp_path / name)
    with pytest.raises(InputError, match=r"^archive/a\.jpg is empty"):
        read_image(b"", name="archive/a.jpg")


def test_postscript_is_not_executed(tmp_path):
    path = saved(noise(), tmp_path / "a.eps")
    with pytest.raises(ImageError, match="not an image in a format"):
        read_image(path)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + bytes([8, 2, 0, 0, 0])) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )


def test_decompression_bombs_are_refused_before_decoding(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match=r"bomb\.png has more pixels"):
        read_image(png_header(60_000, 60_000), name="bomb.png")
    with pytest.raises(ImageError, match=r"64 x 48 pixels, more than the limit of 3000"):
        read_image(saved(noise(), tmp_path / "a.png"), max_pixels=3000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # our limit does not lean on Pillow's
    with pytest.raises(ImageError, match=r"60000 x 60000 pixels"):
        read_image(png_header(60_000, 60_000), name="bomb.png")


def test_want_of_memory_or_descriptors_is_not_blamed_on_the_image(tmp_path, monkeypatch):
    path = saved(noise(), tmp_path / "a.png")
    for error in (OSError(24, "Too many open files"), MemoryError()):

        def fail(*args, _error=error, **options):
            raise _error

        monkeypatch.setattr(Image, "open", fail)
        with pytest.raises(type(error)) as caught:
            read_image(path)
        assert not isinstance(caught.value, InputError)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_by_the_header_is_that_of_the_image(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    noise().save(path, exif=exif)
    image = read_image(path)
    assert read_image_size(path) == image.size


def test_sizes_of_files_that_are_no_images(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "bomb.png").write_bytes(png_header(60_000, 60_000))
    noise().save(tmp_path / "a.tga")
    for name, words in (("empty.png", "is empty"), ("bomb.png", "has more pixels"), ("a.tga", "not an image in a")):
        with pytest.raises(ImageError, match=words):
            read_image_size(tmp_path / name)
    with pytest.raises(ImageError, match="there is no image"):
        read_image_size(tmp_path / "missing.png")


def test_one_pixel(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1), RED).save(buffer, "PNG")
    assert read_image(buffer.getvalue()).getpixel((0, 0)) == RED


def test_image_names():
    assert is_image_name("a/b.JPEG") and is_image_name("x.webp")
    assert not any(map(is_image_name, ["._a.jpg", "a.txt", "jpg", ".DS_Store"]))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
def test_sizes_by_the_header_are_those_of_the_image(tmp_path, suffix, orientation):
    exif = Image.Exif()
    if orientation:
        exif[274] = orientation
    path = saved(noise(64, 48), tmp_path / f"a.{suffix}", **({"exif": exif} if orientation else {}))
    assert read_image_size(path) == read_image(path).size
    assert read_image_size(path) == ((48, 64) if orientation in (6, 8) else (64, 48))


def test_sizes_of_what_is_no_image_are_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"text")
    for name in ("a.jpg", "none.jpg"):
        with pytest.raises(ImageError, match=name):
            read_image_size(tmp_path / name)
