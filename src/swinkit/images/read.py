"""One image file, read safely into 8-bit RGB, or one clear sentence why not."""

import contextlib
import functools
import importlib.util
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from swinkit.errors import NO_RESOURCES, InputError, reason_of
from swinkit.files import BoundedFile

# The largest cameras have 102 million; with the copies that turning and converting make, this takes up to 1.5 GB.
MAX_PIXELS = 120_000_000
_BAND = 1 << 24  # pixels that are converted together

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)

HEIC_SUFFIXES = frozenset({".heic", ".heif"})
"""Images where pillow-heif is installed (the extra `heic`)."""

# Only formats that Pillow decodes itself: EPS, for one, would start Ghostscript on a file nobody has looked at.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "MPO", "AVIF", "HEIF")

_EIGHT_OF_16_BITS = ((np.arange(65536) + 128) // 257).astype(np.uint8)

_EXIF_ORIENTATION = 0x0112


class ImageError(InputError):
    """An image that cannot be read; the message names the file and what is wrong with it."""


def read_image(source: Path | str | bytes, *, name: str | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read one image as 8-bit RGB.

    - EXIF orientation is applied, so that the image stands as a viewer shows it.
    - Grey, palette, CMYK and YCbCr images are converted; of an animation the first frame is taken.
    - Transparent pixels are laid on white, as a page shows them; the colour stored under them is arbitrary.
    - 16-bit grey is scaled to 8 bits (65535 becomes 255), where Pillow's own conversion clips at 255.

    `source` is a path, or the bytes of a file with a `name` for messages. `max_pixels` bounds width x height before
    anything is decoded; Pillow's own limit (`PIL.Image.MAX_IMAGE_PIXELS`) holds as well.

    The official code reads with `convert("RGB")` alone: equal wherever no EXIF rotation, alpha or 16-bit grey occurs.

    Raises ImageError, with the name, on a file that is missing, empty, truncated, too large or no readable image.
    """
    if isinstance(source, str):
        source = Path(source)
    shown = name or (str(source) if isinstance(source, Path) else "image")
    try:
        with (
            io.BytesIO(source) if isinstance(source, bytes) else BoundedFile(source) as file,
            Image.open(file, formats=_formats()) as image,
        ):
            _check_size(image, shown, max_pixels)
            image.load()
            return to_rgb(image, shown)
    except (ImageError, MemoryError):
        raise
    except FileNotFoundError:
        raise ImageError(f"there is no image {shown}; check the path") from None
    except InputError as error:
        raise ImageError(error) from None
    except Image.DecompressionBombError:
        raise ImageError(f"{shown} has more pixels than Pillow accepts; remove it or scale it down") from None
    except Exception as error:  # decoders raise anything from SyntaxError to struct.error on broken bytes
        raise _explained(error, source, shown) from error


def read_image_size(path: Path) -> tuple[int, int]:
    """Width and height of the image as `read_image` gives it, by the file's header alone where that tells.

    Raises ImageError where the file is missing or no readable image.
    """
    try:
        with BoundedFile(path) as file, Image.open(file, formats=_formats()) as image:
            _check_size(image, str(path), MAX_PIXELS)
            if image.format == "PNG" and "exif" not in image.info:
                return image.size  # Pillow would read all pixels to look for EXIF after them
            if image.getexif().get(_EXIF_ORIENTATION, 1) not in (5, 6, 7, 8):
                return image.size
            return read_image(path).size  # which turns it; formats and versions of Pillow differ in what size says
    except Exception:  # decoders raise anything on broken bytes; reading all of it says what is wrong
        return read_image(path).size


def is_image_name(name: str) -> bool:
    """Whether a file of this name is taken for an image: a known suffix, and not hidden (`._photo.jpg`)."""
    path, suffix = Path(name), Path(name).suffix.lower()
    is_known = suffix in IMAGE_SUFFIXES or (suffix in HEIC_SUFFIXES and _reads_heic())
    return is_known and not path.name.startswith(".")


@functools.cache
def _reads_heic() -> bool:
    return importlib.util.find_spec("pillow_heif") is not None


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    if _reads_heic():
        import pillow_heif  # optional, and only here: it registers itself with Pillow

        pillow_heif.register_heif_opener()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _check_size(image: Image.Image, shown: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"{shown} has {width} x {height} pixels, more than the limit of {max_pixels}; remove it or scale it down"
        )


def _upright(image: Image.Image) -> Image.Image:
    # Broken EXIF says nothing about the pixels, which are decoded by now.
    with contextlib.suppress(Exception):
        return ImageOps.exif_transpose(image)
    return image


def to_rgb(image: Image.Image, shown: str) -> Image.Image:
    """A decoded image of any mode as upright 8-bit RGB; raises ImageError, with the name `shown`, where it has none."""
    image = _upright(image)
    if image.mode == "F":
        raise ImageError(f"{shown} holds floating-point pixels of unknown range; save it with 8 or 16 bits a channel")
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _in_bands(image, lambda band: _eight_bit(band, shown))
    if "transparency" in image.info or "A" in image.getbands():
        return _in_bands(image, _on_white)
    return image.convert("RGB")  # a copy even of RGB: the opened image belongs to its file


def _in_bands(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """What `convert` makes of an image, as RGB, some rows at a time: its copies are then of a few rows."""
    width, height = image.size
    rows = max(1, _BAND // width)
    if rows >= height:
        return convert(image).convert("RGB")
    whole = Image.new("RGB", image.size)
    for top in range(0, height, rows):
        whole.paste(convert(image.crop((0, top, width, min(height, top + rows)))).convert("RGB"), (0, top))
    return whole


def _on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _eight_bit(image: Image.Image, shown: str) -> Image.Image:
    values = np.asarray(image)
    if values.dtype != np.uint16 and (values.min() < 0 or values.max() > 65535):
        raise ImageError(f"{shown} holds grey values outside 0..65535; save it with 8 or 16 bits a channel")
    return Image.fromarray(_EIGHT_OF_16_BITS[values.astype(np.uint16, copy=False)])


def _explained(error: Exception, source: Path | bytes, shown: str) -> Exception:
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno in NO_RESOURCES:
            return error  # the machine is short of something; no fault of this image
        return ImageError(f"cannot read the image {shown}: {error.strerror}")
    if _is_empty(source):
        return ImageError(f"{shown} is empty (0 bytes); replace or remove it")
    if isinstance(error, Image.UnidentifiedImageError):
        if isinstance(source, Path) and source.suffix.lower() in HEIC_SUFFIXES and not _reads_heic():
            return ImageError(f"{shown} is a HEIC image, which needs pillow-heif: pip install pillow-heif")
        return ImageError(f"{shown} is not an image in a format that can be read; convert it to JPEG or PNG")
    return ImageError(f"{shown} is a damaged or truncated image ({reason_of(error)}); replace or remove it")


def _is_empty(source: Path | bytes) -> bool:
    try:
        return (len(source) if isinstance(source, bytes) else source.stat().st_size) == 0
    except (OSError, ValueError):  # gone by now, or a name that the system does not take
        return False
