"""A table of files and their classes (CSV), made into class folders.

file,class            or path, image, filename, id, ...; and label, category, target, breed, ...
img/a.jpg,cat         also with a column split, of train, val and test
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from swinkit.errors import InputError, border
from swinkit.files import exists, folder_written_whole, is_file, read_text, refuse_existing
from swinkit.images.listing import list_images
from swinkit.images.read import is_image_name
from swinkit.training.data.split_names import split_of

FILES: tuple[str, ...] = (
    "file",
    "filename",
    "file_name",
    "image",
    "image_name",
    "path",
    "image_path",
    "filepath",
    "file_path",
    "id",
)
FILES += ("image_id", "img", "name", "image_url", "url")
CLASSES = ("class", "label", "category", "target", "class_name", "label_name", "breed", "species", "diagnosis", "dx")
SPLITS = ("split", "set", "subset", "part", "fold")
BOXES = ("xmin", "x_min", "x1", "bbox")


@dataclass(frozen=True)
class Table:
    """The rows of a table, and what was not understood."""

    path: Path
    rows: tuple[tuple[str, str, str], ...]
    """File, class, and split or nothing, of each row."""


@dataclass(frozen=True)
class WrittenFolders:
    """Class folders that were made."""

    root: Path
    images: int
    classes: int
    lines: tuple[str, ...]
    """What was left out."""


class BadRowsError(InputError):
    """Rows of a table that cannot be used; `sentences` has one for each."""

    def __init__(self, sentences: Sequence[str]) -> None:
        more = f" (and {len(sentences) - 1} more of the rows)" if len(sentences) > 1 else ""
        super().__init__(f"{sentences[0]}{more}")
        self.sentences = list(sentences)


def find_class_table(source: Path) -> Path | None:
    """The table that `source` is, or the only one in the folder `source`; None without one."""
    if is_file(source):
        return source if source.suffix.lower() in (".csv", ".tsv") else None
    tables = [path for path in sorted(source.glob("*")) if path.suffix.lower() in (".csv", ".tsv")]
    return tables[0] if len(tables) == 1 else None


def write_class_folders(path: Path, out: Path | None = None, *, skip_bad: bool = False) -> WrittenFolders:
    """Class folders of the images that a table names, as links to the same bytes where the disk can, else as copies.

    Args:
        path: the table; files are looked for beside it and below.
        out: the folder to make. Default: `classes` beside the table.
        skip_bad: leave out rows that cannot be used.

    Raises:
        BadRowsError: naming every row whose file is not there or not the only one of its name, is given two classes, or
            has none; nothing is written then.
        InputError: where there is no such table, or `out` exists already.
    """
    out = out or path.parent / "classes"
    refuse_existing(out)
    table = read_class_table(path)
    places, bad = _placed(table)
    if bad and not skip_bad:
        raise BadRowsError(bad)
    if len({name for name, _ in places.values()}) < 2:
        raise InputError(f"the images that {path} names are of fewer than two classes, and a classifier needs two")
    is_divided = any(split for _, split in places.values())
    with folder_written_whole(out) as partial:
        for image, (name, split) in places.items():
            folder = partial / (split or "train") / name if is_divided else partial / name
            folder.mkdir(parents=True, exist_ok=True)
            _linked(image, _free(folder / image.name))
    listed = {image.resolve() for image in places}
    alone = [
        each for each in list_images(path.parent).images if each.resolve() not in listed and out not in each.parents
    ]
    lines = [f"images that the table does not name: {len(alone):,}"] if alone else []
    lines += [f"rows that cannot be used: {len(bad):,}"] if bad else []
    return WrittenFolders(out, len(places), len({name for name, _ in places.values()}), tuple(lines))


def read_class_table(path: Path) -> Table:
    """The rows of a table whose columns are known by their names, or that has two columns, of files and classes."""
    text = read_text(path)
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise InputError(f"{path} has no rows; it must be a table of files and classes")
    separator = max("\t;,", key=lambda each: lines[0].count(each))
    with border(f"{path} is no table that can be read", "save it as CSV anew"):
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    header = [cell.lower().replace(" ", "_") for cell in rows[0]]
    if any(name in BOXES for name in header):
        raise InputError(f"{path} has boxes, which class folders cannot hold; a table of objects is not read")
    files, classes, splits = (_column(header, names) for names in (FILES, CLASSES, SPLITS))
    if files is None and classes is None and len(header) == 2:
        return Table(path, tuple((row[0], row[1], "") for row in rows if len(row) == 2))
    if files is None or classes is None:
        raise InputError(
            f"{path} has the columns {', '.join(rows[0])}; call that of the files file and that of the classes class"
        )
    width = max(files, classes, splits or 0)
    padded = [row + [""] * (width + 1 - len(row)) for row in rows[1:]]
    return Table(path, tuple((row[files], row[classes], "" if splits is None else row[splits]) for row in padded))


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _placed(table: Table) -> tuple[dict[Path, tuple[str, str]], list[str]]:
    """The class and split of every file that is found, and a sentence for every row that cannot be used."""
    known = _Known(table.path.parent)
    places: dict[Path, tuple[str, str]] = {}
    bad: list[str] = []
    for number, (file, name, split) in enumerate(table.rows, 2):
        where = f"row {number} of {table.path}"
        image = known.find(file)
        if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            bad.append(f"{where} has the class {name!r}, which can be no name of a folder")
        elif split and split_of(split) is None:
            bad.append(f"{where} has the split {split!r}, which is neither train nor val nor test")
        elif image is None:
            bad.append(f"{where} names {file!r}, and there is not exactly one such image in {table.path.parent}")
        elif places.get(image, (name, ""))[0] != name:
            bad.append(f"{where} gives {file} the class {name!r}, but a row before it {places[image][0]!r}")
        else:
            places[image] = (name, split_of(split) or "")
    return places, bad


class _Known:
    """The images in a folder, by path, by name, and by name without the ending."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_name: dict[str, list[Path]] = {}
        for path in list_images(root).images:
            for name in {path.name, path.stem}:
                self._by_name.setdefault(name, []).append(path)

    def find(self, written: str) -> Path | None:
        name = written.replace("\\", "/").strip()
        if not name or "\0" in name:
            return None
        if is_image_name(name) and is_file(self._root / name):
            return self._root / name
        found = self._by_name.get(name.rpartition("/")[2], [])
        return found[0] if len(found) == 1 else None


def _free(path: Path) -> Path:
    """The path, or one with a number where it is taken by an image from another folder."""
    return next(each for each in _numbered(path) if not exists(each))


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    number = 1
    while True:
        number += 1
        yield path.with_name(f"{path.stem}_{number}{path.suffix}")


def _linked(image: Path, place: Path) -> None:
    try:
        os.link(image, place)
    except OSError:  # another disk, or one without links
        shutil.copy2(image, place)
