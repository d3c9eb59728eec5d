"""HEIC is read where pillow-heif is installed, and named with the remedy where it is not."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from swinkit.images.listing import list_images
from swinkit.images.read import ImageError, read_image

INSTALLED = find_spec("pillow_heif") is not None


@pytest.mark.skipif(not INSTALLED, reason="needs pillow-heif (pip install swinkit[heic])")
def test_heic_is_an_image_like_others(tmp_path: Path) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    Image.new("RGB", (40, 30), (200, 10, 10)).save(tmp_path / "a.HEIC", format="HEIF")
    assert list_images(tmp_path).images == (tmp_path / "a.HEIC",)
    image = read_image(tmp_path / "a.HEIC")
    assert image.size == (40, 30) and image.mode == "RGB" and image.getpixel((9, 9))[0] > 150


@pytest.mark.skipif(INSTALLED, reason="pillow-heif is installed")
def test_heic_without_the_library_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    listing = list_images(tmp_path)
    assert not listing.images and "pip install pillow-heif" in listing.left_out[0].reason
    with pytest.raises(ImageError, match="HEIC image, which needs pillow-heif: pip install pillow-heif"):
        read_image(path)
