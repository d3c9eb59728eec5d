"""Where the images, labels and class names of YOLO data lie.

data.yaml (or another .yaml with `names`)      Ultralytics, Roboflow: folders, or text files of paths
obj.data, obj.names, train.txt                 Darknet, CVAT's YOLO 1.1
images/train with labels/train, train/images with train/labels (also val, valid, test), images with labels, or all
beside each other

Folders below these count, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from swinkit.detection.data.conversion.findings import Findings
from swinkit.detection.data.conversion.parts import UNDIVIDED
from swinkit.detection.data.conversion.places import find_place
from swinkit.errors import InputError, border
from swinkit.files import is_file, is_folder, read_lines, read_text
from swinkit.images.listing import list_images, walk_files
from swinkit.training.data.split_names import SPLIT_NAMES, Split, folder_named, split_folders

CLASS_FILES = ("classes.txt", "obj.names", "labels/classes.txt")
ROBOFLOWS_OWN = ("../train/images", "../valid/images", "../test/images")
"""What Roboflow writes into data.yaml whether or not there is such a split."""

_LARGEST_YAML = 1_000_000
"""Bytes; the names of a thousand classes have twenty thousand."""

_NOTHING = ("", "~", "null", "Null", "NULL")
"""What YAML writes for no value."""

_BESIDE = (".txt", ".yaml", ".yml", ".cache", ".names", ".data", ".json", ".xml", ".csv", ".md", ".html")


def find_yolo(root: Path, findings: Findings | None = None) -> dict[str, list[Path]]:
    """The images of each part of the data in `root`, sorted; empty where it is no YOLO data.

    `findings` gets a sentence for every path that leads nowhere, and files that are no images.
    """
    findings = findings or Findings(root)
    described = read_description(root)
    parts: dict[str, list[Path]] = {}
    for split, values in _written_splits(described).items():
        images = _listed(root, described, split, values, findings)
        if images:
            parts[split] = images
    return parts or _by_folder(root, findings)


def label_path(image: Path) -> Path | None:
    """The text file of an image: with labels/ for any images/ in its path, or all of them, else beside it; None without
    one."""
    return next((path for path in label_places(image) if is_file(path)), None)


def label_places(image: Path) -> list[Path]:
    """Where the text file of an image may lie, the likeliest first."""
    parts = list(image.parts)
    places = [place for place, part in enumerate(parts[:-1]) if part.lower() == "images"]
    chosen = [[place] for place in reversed(places)] + ([places] if len(places) > 1 else [])
    found = [Path(*("labels" if n in each else part for n, part in enumerate(parts))) for each in chosen]
    return [path.with_suffix(".txt") for path in (*found, image)]


def label_files(root: Path) -> list[Path]:
    """The text files in `root` that may be labels: neither lists of images or classes, nor notes."""
    listed = {name for names in SPLIT_NAMES.values() for name in names} | {"classes", "labels", "trainval"}
    return [
        path
        for path in walk_files(root)
        if path.suffix.lower() == ".txt"
        and path.stem.lower() not in listed
        and not path.stem.lower().startswith(("readme", "license", "notes", "requirements", "predefined_classes"))
    ]


def read_yolo_classes(root: Path) -> tuple[str, ...]:
    """Names by number. Raises InputError where there are none."""
    described = read_description(root)
    names = described.get("names")
    if isinstance(names, dict):
        numbered = {whole_number(key): value for key, value in names.items()}
        if len(numbered) < len(names) or set(numbered) != set(range(len(numbered))):
            raise InputError(f"the names in the data.yaml of {root} must be numbered 0, 1, 2 and so on")
        names = [numbered[number] for number in range(len(numbered))]
    if isinstance(names, str):  # of obj.data
        place = find_place([root], names)
        names = None if place is None else read_lines(place)
    if names is None:
        path = next((root / name for name in (*CLASS_FILES, "../obj.names") if is_file(root / name)), None)
        names = read_lines(path) if path else None
    if not isinstance(names, list) or not names:
        raise InputError(f"{root} has no class names; write them into classes.txt, one a line, by their numbers")
    texts = tuple(name for name in names if isinstance(name, str) and name)
    if len(texts) < len(names):
        raise InputError(f"the names in the data.yaml of {root} must be texts, one for every class")
    if len(set(texts)) < len(texts):
        raise InputError(f"{root} gives two classes the same name; rename one of them")
    count = whole_number(described.get("nc", described.get("classes")))
    if count is not None and count != len(texts):
        raise InputError(
            f"{root} says that it has {count} classes, but names {len(texts)}; correct the one or the other"
        )
    return texts


def read_description(root: Path) -> dict[str, Any]:
    """What data.yaml, another .yaml with `names`, or obj.data says; empty without one."""
    path = _description_path(root)
    if path is None:
        return {}
    return _read_darknet(path) if path.suffix == ".data" else _read_yaml(path)


def _description_path(root: Path) -> Path | None:
    named = [root / name for name in ("data.yaml", "data.yml", "dataset.yaml") if is_file(root / name)]
    if named:
        return named[0]
    others = sorted(root.glob("*.yaml")) + sorted(root.glob("*.yml"))
    found = [path for path in others if "names" in _read_yaml(path, is_sure=False)]
    if len(found) > 1:
        raise InputError(f"{root} has several descriptions of YOLO data ({found[0].name}, ...); leave one there")
    return found[0] if found else next(iter(sorted(root.glob("*.data"))), None)


def _read_darknet(path: Path) -> dict[str, Any]:
    """obj.data: `key = value` a line."""
    pairs = [line.partition("=") for line in read_lines(path) if "=" in line]
    return {key.strip(): value.strip() for key, _, value in pairs if key.strip() != "backup"}


def _read_yaml(path: Path, *, is_sure: bool = True) -> dict[str, Any]:
    try:
        with border(f"{path} is not YAML", "correct it; it holds names, train and val"):
            content = yaml.load(read_text(path, most=_LARGEST_YAML), _Texts)
        if not isinstance(content, dict):
            raise InputError(f"{path} must hold names, train and val")
    except InputError:
        if is_sure:
            raise
        return {}
    return {key: value for key, value in content.items() if value not in _NOTHING}


class _Texts(yaml.BaseLoader):
    """YAML in which every value is a text, as none of its other types means anything here, and without aliases, by
    which a few lines can stand for any number of values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise InputError(f"the alias *{self.peek_event().anchor} is not accepted; write out what it stands for")
        return super().compose_node(parent, index)


def whole_number(text: object) -> int | None:
    """The number that a text says, of at most nine digits; None where it is none."""
    return int(text) if isinstance(text, str) and re.fullmatch(r"\s*\d{1,9}\s*", text) else None


def _written_splits(described: Mapping[str, Any]) -> dict[Split, Any]:
    """What is written for each split, under any of its names."""
    lower = {str(key).lower(): value for key, value in described.items()}
    return {
        split: next(lower[name] for name in names if lower.get(name))
        for split, names in SPLIT_NAMES.items()
        if any(lower.get(name) for name in names)
    }


def _listed(root: Path, described: Mapping[str, Any], split: str, values: Any, findings: Findings) -> list[Path]:
    """The images of a split as it is described: a folder, a list of folders, or a text file of paths."""
    found: list[Path] = []
    bases = _bases(root, described.get("path"))
    for value in values if isinstance(values, list) else [values]:
        place = find_place(bases, value) if isinstance(value, str) else None
        if place is None and value in ROBOFLOWS_OWN:
            findings.leave_out("splits that data.yaml names but that are not there, as Roboflow writes it", str(value))
        elif place is None:
            findings.bad.append(
                f"{_description_path(root)} names {split}: {value}, which is not there; correct it, or take it out"
            )
        elif is_folder(place):
            listing = list_images(place / "images" if is_folder(place / "images") else place, beside=_BESIDE)
            found += listing.images
            findings.leave_out_files(listing.left_out)
        else:
            found += _of_list(place, bases, findings)
    return found


def _of_list(listing: Path, bases: Sequence[Path], findings: Findings) -> list[Path]:
    """The images that a text file names."""
    lines = read_lines(listing)
    places = [find_place([*bases, listing.parent], line) for line in lines]
    missing = [line for line, place in zip(lines, places, strict=True) if place is None or not is_file(place)]
    if missing:
        findings.bad.append(
            f"{listing} names {missing[0]}, which is not there ({len(missing)} of {len(lines)} are missing); add "
            "the images or take the lines out"
        )
    return [place for place in places if place is not None and is_file(place)]


def _bases(root: Path, base: object) -> list[Path]:
    """What paths may be relative to; programs disagree."""
    place = find_place([root], base) if isinstance(base, str) else None
    return [place, root] if place is not None and is_folder(place) and place != root else [root]


def _by_folder(root: Path, findings: Findings) -> dict[str, list[Path]]:
    images = folder_named(root, ("images",))
    divided = split_folders(images) if images is not None else {}
    parts = {split: found for split, folder in divided.items() if (found := _labelled(folder, findings))}
    for split, folder in split_folders(root).items():
        if split not in parts and (found := _labelled(folder_named(folder, ("images",)) or folder, findings)):
            parts[split] = found
    if parts:
        return {str(split): found for split, found in parts.items()}
    for place in (images, root):
        if place is not None and (found := _labelled(place, findings)):
            return {UNDIVIDED: found}
    return {}


def _labelled(folder: Path, findings: Findings) -> list[Path]:
    """The images of a folder, if any has a text file."""
    listing = list_images(folder, beside=_BESIDE)
    if not any(label_path(image) for image in listing.images):
        return []
    findings.leave_out_files(listing.left_out)
    return list(listing.images)


def unused_files(root: Path, images: Sequence[Path], labels: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Text files that belong to no image, and images that are in no split, with what to call them."""
    used = {path.resolve() for path in (*images, *labels)}
    for path in label_files(root):
        if path.resolve() not in used:
            yield "text files that belong to no image", path
    for path in list_images(root).images:
        if path.resolve() not in used:
            yield "images that are in no split", path
