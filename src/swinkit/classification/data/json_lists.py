"""The official ImageNet-22K lists: `ILSVRC2011fall_whole_map_train.txt` and `..._map_val.txt` beside the images.

Despite the suffix each is a JSON list of [path relative to the folder, class number] (official
`data/imagenet22k_dataset.py`).
"""

from pathlib import Path

from swinkit.classification.data.image_stores import FolderStore
from swinkit.classification.data.list_files import MOST_DIGITS, ListedImages, check_labels, class_names
from swinkit.classification.data.samples import ClassificationImages, OnCorrupt
from swinkit.errors import InputError, border
from swinkit.files import is_file, read_json

PREFIX = "ILSVRC2011fall_whole"
FILES = (f"{PREFIX}_map_train.txt", f"{PREFIX}_map_val.txt")


def open_json_lists(root: Path, *, on_corrupt: OnCorrupt = "stop") -> tuple[ClassificationImages, ClassificationImages]:
    """Training and validation images from the two lists in `root`.

    That every listed file exists is found out when it is read, not here: there are fourteen million.

    Raises InputError, naming the file (and item), if a list is missing or broken, or if validation has a class beyond
    those of training.
    """
    missing = [name for name in FILES if not is_file(root / name)]
    if missing:
        raise InputError(f"{root} lacks {' and '.join(missing)}: the ImageNet-22K layout needs both lists")
    train, val = read_json_list(root / FILES[0]), read_json_list(root / FILES[1])
    classes = class_names(train)
    check_labels(val, classes)
    store = FolderStore(root)
    return (
        ClassificationImages(store, train.names, train.labels, classes, on_corrupt=on_corrupt),
        ClassificationImages(store, val.names, val.labels, classes, on_corrupt=on_corrupt),
    )


def read_json_list(path: Path) -> ListedImages:
    """The pairs of one list. Raises InputError, naming the item, if it is not [path, class number >= 0]."""
    advice = "it must be a list of [path, class number]"
    with border(f"{path} is damaged", advice):
        return _listed(read_json(path, advice=advice), path)


def _listed(items: object, path: Path) -> ListedImages:
    if not isinstance(items, list):
        raise InputError(f"{path} holds no JSON list; it must be a list of [path, class number]")
    for index, item in enumerate(items):
        if not _is_pair(item):
            raise InputError(f"item {index} of {path} is {str(item)[:80]}; it must be [path, class number]")
    return ListedImages(path, [item[0].lstrip("/") for item in items], [int(item[1]) for item in items])


def _is_pair(item: object) -> bool:
    match item:
        case [str(), bool()]:
            return False
        case [str(), int(label)]:
            return label >= 0
        case [str(), str(label)]:  # the official code reads int(label)
            return label.isdecimal() and len(label) < MOST_DIGITS
    return False
