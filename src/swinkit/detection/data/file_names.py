"""File names in a json as tools write them, matched with the files that are there.

    images\\\\p0.png                    Windows
    my%20photo.png                     addresses
    /data/upload/4/p0.png              the path on the labelling server
    data/local-files/?d=images/p0.png  Label Studio

A name that is a file stays as it is. Others are tried with slashes for backslashes, percent-decoded, and by their last
part, which counts where one file alone has it.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from swinkit.detection.data.coco_json import CocoTable
from swinkit.files import is_folder
from swinkit.images.listing import walk_files
from swinkit.images.names import NameTable

_log = logging.getLogger(__name__)


def with_found_names(table: CocoTable, image_root: Path) -> CocoTable:
    """The table with the names of the files in `image_root`; what had to be changed is logged in one line."""
    names = [table.file_names[image] for image in range(len(table.image_ids))]
    found = found_names(names, image_root)
    changed = [number for number, (name, there) in enumerate(zip(names, found, strict=True)) if name != there]
    if not changed:
        return table
    first = changed[0]
    _log.info(
        f"{len(changed)} of {len(names)} file names in {table.path} are not as on the disk "
        f"({oddity(names[first])}): {names[first]} is taken for {image_root / found[first]}"
    )
    return replace(table, file_names=NameTable(found))


def found_names(names: Sequence[str], image_root: Path) -> list[str]:
    """For every name that of the file that is meant, relative to `image_root`; a name without such a file stays."""
    listing = _Listing(image_root)
    found = [name if listing.has(name) else listing.spelled_otherwise(name) for name in names]
    if None not in found:
        return [name for name in found if name is not None]
    by_last_part = [
        None if there is not None else listing.by_last_part(name) for name, there in zip(names, found, strict=True)
    ]
    claims = Counter(name for name in (*found, *by_last_part) if name is not None)
    chosen = []
    for name, there, guess in zip(names, found, by_last_part, strict=True):
        is_one = guess is not None and claims[guess] == 1
        chosen.append(there if there is not None else guess if is_one and guess is not None else name)
    return chosen


def spellings(name: str) -> list[str]:
    """`name` as it stands, with slashes for backslashes, and percent-decoded."""
    slashes = name.replace("\\", "/")
    return list(dict.fromkeys([name, slashes, unquote(slashes)]))


def last_parts(name: str) -> list[str]:
    """What the file may be called without its folders, most likely first."""
    decoded = spellings(name)[-1]
    parts = [decoded.rpartition("/")[2], re.split(r"[?#]", decoded)[0].rpartition("/")[2]]
    return [part for part in dict.fromkeys(parts) if part]


def oddity(name: str) -> str:
    """What is unusual about a file name."""
    if "\\" in name:
        return "backslashes, as Windows writes them"
    if re.search(r"%[0-9A-Fa-f]{2}", name):
        return "percent signs, as in addresses"
    if "://" in name or "?" in name:
        return "an address"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "an absolute path"
    return "another folder or other upper and lower case"


class _Listing:
    """The files of a folder; each folder is listed once, and all of them only where names have to be searched for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[Path, set[str]] = {}
        self._everywhere: dict[str, list[str]] | None = None

    def has(self, name: str) -> bool:
        path = self._root / name
        return path.name in self._in(path.parent)

    def spelled_otherwise(self, name: str) -> str | None:
        return next((each for each in spellings(name)[1:] if self.has(each)), None)

    def by_last_part(self, name: str) -> str | None:
        """The only file below the root whose name is the last part of `name`, or of several the one whose folders agree
        the furthest."""
        if self._everywhere is None:
            self._everywhere = defaultdict(list)
            for path in walk_files(self._root) if is_folder(self._root) else ():
                self._everywhere[path.name.lower()].append(path.relative_to(self._root).as_posix())
        for part in last_parts(name):
            places = self._everywhere.get(part.lower(), [])
            exact = [place for place in places if place.rpartition("/")[2] == part] or places
            shared = {place: _agreement(place, spellings(name)[-1]) for place in exact}
            best = [place for place, count in shared.items() if count == max(shared.values())]
            if len(best) == 1:
                return best[0]
        return None

    def _in(self, folder: Path) -> set[str]:
        if folder not in self._folders:
            try:
                with os.scandir(folder) as entries:
                    self._folders[folder] = {entry.name for entry in entries}
            except (OSError, ValueError):
                self._folders[folder] = set()
        return self._folders[folder]


def _agreement(place: str, name: str) -> int:
    """How many folders two paths share, counted from the end."""
    ours, theirs = place.lower().split("/")[-2::-1], name.lower().split("/")[-2::-1]
    shared = 0
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            break
        shared += 1
    return shared
