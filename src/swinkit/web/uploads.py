"""What a browser sends, read as an image within bounds."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from swinkit.errors import InputError, border
from swinkit.images.read import read_image

MOST_BYTES = 20 * 2**20
"""Of an uploaded file."""
MOST_PIXELS = 40_000_000
"""Width x height; the largest cameras of telephones send 50 million only when asked to."""

ADVICE = "send it once more, or another one"


def uploaded_image(sent: Mapping[str, Any] | None) -> Image.Image | None:
    """The picture that the page sends, as `read_image` gives it; None where there is none.

    Args:
        sent: the `path` of an uploaded file and its `orig_name`, or, from a camera, a data `url`.

    Raises:
        InputError: where it is no readable image, or has more than `MOST_BYTES` or `MOST_PIXELS`.
    """
    if sent is None:
        return None
    url = sent.get("url")
    if isinstance(url, str) and url.startswith("data:"):
        return read_image(_decoded(url), name="the camera's picture", max_pixels=MOST_PIXELS)
    path = sent.get("path")
    if not isinstance(path, str):
        raise InputError(f"the picture did not arrive; {ADVICE}")
    name = Path(str(sent.get("orig_name") or path)).name
    with border(f"cannot read {name}", ADVICE):
        size = Path(path).stat().st_size
    _check_bytes(name, size)
    try:
        return read_image(Path(path), name=name, max_pixels=MOST_PIXELS)
    except InputError as error:
        # The reader names a device or pipe by its path, which is no business of who looks at the page.
        raise InputError(str(error).replace(path, name)) from None


def _decoded(url: str) -> bytes:
    content = url.partition(",")[2]
    _check_bytes("the camera's picture", len(content) * 3 // 4)
    with border("the camera's picture is not encoded as it says", ADVICE):
        return base64.b64decode(content, validate=True)


def _check_bytes(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise InputError(
            f"{name} has {size / 2**20:.0f} MB, more than the limit of {MOST_BYTES >> 20}; make it smaller"
        )
