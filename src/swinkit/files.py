"""Files written whole and read as text, in one place."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from swinkit.errors import InputError

ADVICE = "free some space or choose another place"


@contextmanager
def written_whole(path: Path, *, advice: str = ADVICE) -> Iterator[Path]:
    """A temporary file beside `path` to write to, which becomes `path` if all goes well inside and is gone otherwise.

    So `path` is either whole or as it was before, also after a kill or a power cut. Missing folders are made.

    Args:
        path: the file to write.
        advice: what to do where it cannot be written, the end of the error's sentence.

    Raises:
        InputError: where it cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror or error}); {advice}") from error
    finally:
        if path.parent.is_dir():
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, advice: str = ADVICE) -> None:
    """Write UTF-8 text whole, see `written_whole`."""
    with written_whole(path, advice=advice) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any, *, indent: int | None = None, advice: str = ADVICE) -> None:
    """Write plain data as JSON whole, see `written_whole`."""
    write_text(path, json.dumps(content, indent=indent) + "\n", advice=advice)


def save_image(image: Image.Image, path: Path) -> None:
    """Write a PNG whole, see `written_whole`."""
    with written_whole(path) as temporary:
        image.save(temporary, "PNG")


def read_text(path: Path) -> str:
    """The file as UTF-8 text. Raises InputError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}); check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 ({error}); check that it is the right file") from error


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without surrounding blanks, empty ones left out, such as class names."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def refuse_existing(path: Path) -> None:
    """Raise InputError where there is a file of this name already."""
    if os.path.lexists(path):
        raise InputError(f"{path} exists already; remove it or choose another name with --out")


def remove_leftovers(folder: Path) -> None:
    """Remove what `written_whole` left half-written in `folder` when its process was killed."""
    for path in folder.iterdir():
        if re.fullmatch(r"\..+\.\d+\.tmp(\.[^.]*)?", path.name):
            path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
