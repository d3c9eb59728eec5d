"""Paths in lists and descriptions as tools write them, found below a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from swinkit.files import exists

_LONGEST = 4096
"""Characters of a path."""


def find_place(roots: Sequence[Path], written: str) -> Path | None:
    """The file or folder that is meant by a path, None where there is none.

    It is tried as it stands, with slashes for backslashes, and percent-decoded, below each of `roots`; then, as it may
    be that of another machine or of the tool's own folder (`../`, `data/`, `/home/me/set`), without its first folder,
    its first two, and so on.
    """
    written = written.strip()
    if not written or len(written) > _LONGEST:
        return None
    spelled = list(dict.fromkeys([written, written.replace("\\", "/"), unquote(written.replace("\\", "/"))]))
    for name in spelled:
        for root in roots:
            if exists(root / name):
                return root / name
    parts = [part for part in re.split("/+", re.sub(r"^[A-Za-z]:", "", spelled[-1])) if part not in ("", ".", "..")]
    for first in range(len(parts)):
        for root in roots:
            if exists(root.joinpath(*parts[first:])):
                return root.joinpath(*parts[first:])
    return None
