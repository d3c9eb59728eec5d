"""Images named on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from swinkit.data.images import is_image_name
from swinkit.errors import InputError


def image_paths(given: Sequence[Path]) -> Iterator[Path]:
    """The files meant: folders stand for the images in them."""
    if not given:
        raise InputError("name at least one image or folder of images")
    for path in given:
        if not path.is_dir():
            yield path
            continue
        try:
            found = sorted(file for file in path.iterdir() if file.is_file() and is_image_name(file.name))
        except OSError as error:
            raise InputError(f"cannot read the folder {path} ({error.strerror}); check its permissions") from None
        if not found:
            raise InputError(f"the folder {path} holds no image; name files or another folder")
        yield from found
