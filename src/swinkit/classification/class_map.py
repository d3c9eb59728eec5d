"""Class maps: which rows of a bigger head become the classes of a smaller one."""

from __future__ import annotations

from pathlib import Path

from swinkit.errors import InputError
from swinkit.files import read_text


def read_class_map(path: Path) -> list[int]:
    """Numbers, one a line, as in the official code's map of ImageNet-22K to 1K.

    Raises InputError where the file cannot be read or holds anything else.
    """
    try:
        return [int(line) for line in read_text(path).split()]
    except ValueError as error:
        raise InputError(f"{path} is not a class map, a text file with one class number a line ({error})") from None
