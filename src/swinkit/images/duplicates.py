"""Files with the same bytes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from swinkit.errors import InputError
from swinkit.files import read_bytes


def same_bytes(paths: Iterable[Path]) -> list[list[Path]]:
    """Groups of two or more files that are equal byte for byte, in the order given. Only files of one size are read;
    those that cannot be are left out."""
    of_size: defaultdict[int, list[Path]] = defaultdict(list)
    for path in paths:
        try:
            of_size[path.stat().st_size].append(path)
        except (OSError, ValueError):
            continue
    groups: defaultdict[bytes, list[Path]] = defaultdict(list)
    for size, found in of_size.items():
        for path in found if len(found) > 1 and size else ():
            try:
                digest = hashlib.blake2b(read_bytes(path), digest_size=16).digest()
            except InputError:
                continue
            groups[digest].append(path)
    return [found for found in groups.values() if len(found) > 1]
