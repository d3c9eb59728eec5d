"""What other code bases call the classes of their models, in a weights file or beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from swinkit.errors import InputError
from swinkit.files import is_file, read_json

CONFIG = "config.json"
"""What transformers writes beside its weights."""


def class_names_of(payload: object) -> tuple[str, ...]:
    """Names in what a PyTorch file holds: `meta.CLASSES`, or `meta.dataset_meta.classes` of OpenMMLab's since 2022;
    empty where there are none."""
    meta = payload.get("meta") if isinstance(payload, Mapping) else None
    if not isinstance(meta, Mapping):
        return ()
    data = meta.get("dataset_meta")
    names = data.get("classes") if isinstance(data, Mapping) else meta.get("CLASSES")
    return _texts(names)


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
