"""Files written whole, and read as text or JSON, in one place."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from PIL import Image

from swinkit.errors import InputError, border, reason_of

MOST_TEXT = 1 << 31
"""Bytes of a text file at most; the largest annotations that are public have half a gigabyte."""

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
    temporary = path.with_name(f".{path.stem[:40]}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except (OSError, UnicodeError) as error:
        raise InputError(f"cannot write {path} ({reason_of(error)}); {advice}") from error
    finally:
        remove(temporary)


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` to fill, which becomes `path` if all goes well inside and is gone otherwise.

    Raises InputError where it cannot be written.
    """
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}.tmp")
    with border(f"cannot write {path}", ADVICE):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file where that is possible: what is said about a failure must not be replaced by that of tidying up."""
    with suppress(OSError, ValueError):
        path.unlink()


def write_text(path: Path, text: str, *, advice: str = ADVICE) -> None:
    """Write UTF-8 text whole, see `written_whole`."""
    with written_whole(path, advice=advice) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, content: Any, *, indent: int | None = None, advice: str = ADVICE) -> None:
    """Write plain data as JSON whole, see `written_whole`."""
    write_text(path, json.dumps(content, indent=indent) + "\n", advice=advice)


def save_image(image: Image.Image, path: Path) -> None:
    """Write a PNG whole, see `written_whole`."""
    with written_whole(path) as temporary:
        image.save(temporary, "PNG")


def read_bytes(path: Path, *, most: int = MOST_TEXT) -> bytes:
    """What is in a file.

    Raises InputError where it cannot be read, is no regular file (a device has no end, and a pipe may never begin), or
    has more than `most` bytes.
    """
    advice = "check the path and its permissions"
    with border(f"cannot read {path}", advice):
        require_regular(path)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise InputError(f"{path} has more than {most:,} bytes; check that it is the right file")
            return file.read(size)  # the buffer for it is made before the first byte is there


class BoundedFile(io.BufferedReader):
    """A file open for reading that is never asked for more bytes than it has.

    Who reads a format asks for as many bytes as its header claims, and Python makes a buffer of that size beforehand.
    """

    def __init__(self, path: Path) -> None:
        """Raises InputError where `path` is a device or pipe, OSError where it cannot be opened."""
        require_regular(path)
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size
        self._shown = repr(str(path))

    def __repr__(self) -> str:
        return self._shown  # as Pillow names a file in its errors

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def require_regular(path: Path) -> None:
    """Raises InputError where `path` is a device, a pipe or a socket, which may have no end; OSError where it is not
    there. Folders pass: to open one is an error that says so."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"{path} is a device or pipe, not a file; give the path of a file")


def read_text(path: Path, *, most: int = MOST_TEXT) -> str:
    """The file as UTF-8 text. Raises InputError where it cannot be read, see `read_bytes`."""
    content = read_bytes(path, most=most)
    with border(f"{path} is not text in UTF-8", "check that it is the right file"):
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, *, advice: str) -> Any:
    """The file as JSON. Raises InputError where it cannot be read or is no JSON, saying what to do about it."""
    return parse_json(read_text(path), str(path), advice=advice)


def parse_json(text: str, name: str, *, advice: str) -> Any:
    """A text as plain data. Raises InputError, calling the text `name`, where it is no JSON."""
    with border(f"{name} is not JSON", advice):
        return json.loads(text)


def is_file(path: Path) -> bool:
    """Whether there is a file: not so, too, where the system refuses the very name, such as one that is too long."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder, see `is_file`."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """Whether there is a file or folder, see `is_file`."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without surrounding blanks, empty ones left out, such as class names."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def refuse_existing(path: Path) -> None:
    """Raise InputError where there is a file of this name already."""
    if os.path.lexists(path):
        raise InputError(f"{path} exists already; remove it or choose another name with --out")


def remove_leftovers(folder: Path) -> None:
    """Remove what `written_whole` left half-written in `folder` when its process was killed; whoever calls it holds
    the folder for itself, as another process may be writing."""
    for path in folder.iterdir():
        if re.fullmatch(r"\..+\.\d+\.tmp(\.[^.]*)?", path.name):
            remove(path)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
