"""Where an exported file goes: checked before the work."""

from __future__ import annotations

import os
from pathlib import Path

from swinkit.errors import InputError
from swinkit.files import is_folder, refuse_existing


def check_destination(out: Path, suffix: str) -> None:
    """Raise an InputError where `out` is there already, has another ending or lies where nothing can be written."""
    if out.suffix != suffix:
        raise InputError(f"name the file {out} with the ending {suffix}")
    refuse_existing(out)
    folder = out.parent
    if not is_folder(folder):
        raise InputError(f"there is no folder {folder} for {out.name}; make it or choose another place with --out")
    if not os.access(folder, os.W_OK):
        raise InputError(f"cannot write into the folder {folder}; choose another place with --out")
