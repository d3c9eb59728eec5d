"""The official zipped ImageNet: `train.zip`, `train_map.txt`, `val.zip`, `val_map.txt` in one folder.

Source: the official repository's get_started.md. A line of a map file is `path inside the zip<TAB>class number`.
"""

from pathlib import Path

from swinkit.classification.data.image_stores import ZipStore
from swinkit.classification.data.list_files import MOST_DIGITS, ListedImages, check_labels, class_names
from swinkit.classification.data.samples import ClassificationImages, OnCorrupt
from swinkit.errors import InputError
from swinkit.files import is_file, read_text

FILES = ("train.zip", "train_map.txt", "val.zip", "val_map.txt")


def open_zip_maps(root: Path, *, on_corrupt: OnCorrupt = "stop") -> tuple[ClassificationImages, ClassificationImages]:
    """Training and validation images from the four files in `root`.

    Raises InputError, naming the file (and line), if one is missing or broken, if a map names an image that its
    archive lacks, or if validation has a class beyond those of training.
    """
    missing = [name for name in FILES if not is_file(root / name)]
    if missing:
        raise InputError(f"{root} lacks {' and '.join(missing)}: the zipped layout needs {', '.join(FILES)}")
    train, val = read_map(root / "train_map.txt"), read_map(root / "val_map.txt")
    classes = class_names(train)
    check_labels(val, classes)
    return (
        _images(root / "train.zip", train, classes, on_corrupt),
        _images(root / "val.zip", val, classes, on_corrupt),
    )


def read_map(path: Path) -> ListedImages:
    """The pairs of one map file. Raises InputError, naming the line, if it is not `path<TAB>number`."""
    names: list[str] = []
    labels: list[int] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        name, tab, label = line.partition("\t")
        if not (name and tab and label.strip().isdecimal() and len(label.strip()) < MOST_DIGITS):
            raise InputError(f"line {number} of {path} is {line[:80]!r}; it must be a path, a tab and a class number")
        names.append(name.lstrip("/"))
        labels.append(int(label))
    return ListedImages(path, names, labels)


def _images(
    archive: Path, listed: ListedImages, classes: tuple[str, ...], on_corrupt: OnCorrupt
) -> ClassificationImages:
    store = ZipStore(archive)
    packed = store.names()
    for index in range(len(listed.names)):
        if listed.names[index] not in packed:
            raise InputError(f"{listed.source} names {listed.names[index]}, which {archive} lacks; pack it again")
    return ClassificationImages(store, listed.names, listed.labels, classes, on_corrupt=on_corrupt)
