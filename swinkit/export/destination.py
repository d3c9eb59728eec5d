"""Where an exported file goes: checked before the work, written whole after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swinkit.errors import InputError


def check_destination(out: Path, suffix: str) -> None:
    """Raise an InputError where `out` is there already, has another ending or lies where nothing can be written."""
    if out.suffix != suffix:
        raise InputError(f"name the file {out} with the ending {suffix}")
    if os.path.lexists(out):
        raise InputError(f"{out} exists already; remove it or choose another name with --out")
    folder = out.parent
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} for {out.name}; make it or choose another place with --out")
    if not os.access(folder, os.W_OK):
        raise InputError(f"cannot write into the folder {folder}; choose another place with --out")


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """A temporary file beside `out` that becomes `out` if all went well inside, and is gone otherwise."""
    partial = out.with_name(f".{out.stem}.{os.getpid()}{out.suffix}")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(out)
    except OSError as error:
        raise InputError(f"cannot write {out} ({error.strerror or error}); choose another place") from None
    finally:
        partial.unlink(missing_ok=True)
