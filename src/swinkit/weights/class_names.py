"""What other code bases call the classes of their models, and how they colour them, in a weights file or beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from swinkit.errors import InputError
from swinkit.files import is_file, read_json

Colour = tuple[int, int, int]
"""Red, green, blue, 0..255."""

CONFIG = "config.json"
"""What transformers writes beside its weights."""


def class_names_of(payload: object) -> tuple[str, ...]:
    """Names in what a PyTorch file holds: `meta.CLASSES`, or `meta.dataset_meta.classes` of OpenMMLab's since 2022;
    empty where there are none."""
    return _texts(_told(payload, "classes"))


def palette_of(payload: object) -> tuple[Colour, ...]:
    """Colours in what a PyTorch file holds, beside the names of `class_names_of`; empty where there are none."""
    return as_palette(_told(payload, "palette"))


def as_palette(value: object) -> tuple[Colour, ...]:
    """Plain data as colours; empty where it is no list of three whole numbers of 0..255 each."""
    if not isinstance(value, (list, tuple)) or not all(_is_colour(each) for each in value):
        return ()
    return tuple((red, green, blue) for red, green, blue in value)


def _is_colour(value: object) -> bool:
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        return False
    return all(type(part) is int and 0 <= part <= 255 for part in value)


def _told(payload: object, name: str) -> object:
    """What OpenMMLab's files say of the data set: `meta.dataset_meta.NAME`, or `meta.NAME` in capitals before 2022."""
    meta = payload.get("meta") if isinstance(payload, Mapping) else None
    if not isinstance(meta, Mapping):
        return None
    data = meta.get("dataset_meta")
    return data.get(name) if isinstance(data, Mapping) else meta.get(name.upper())


def class_names_beside(path: Path) -> tuple[str, ...]:
    """Names in transformers' config.json beside a weights file; empty where there is none, or none that tells."""
    config = path.with_name(CONFIG)
    if not is_file(config):
        return ()
    try:
        said = read_json(config, advice="")
    except InputError:
        return ()  # the weights are what was asked for, and whole
    labels = said.get("id2label") if isinstance(said, Mapping) else None
    if not isinstance(labels, Mapping):
        return ()
    return _texts([labels.get(str(number)) for number in range(len(labels))])


def _texts(names: object) -> tuple[str, ...]:
    if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
        return tuple(names)
    return ()
