"""Small data sets on disk for the tests in this folder."""

import io
import json
import zipfile
from pathlib import Path

from PIL import Image


def jpeg_bytes(grey: int = 100, size: tuple[int, int] = (8, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, grey).save(buffer, "JPEG")
    return buffer.getvalue()


def write_classes(root: Path, classes: dict[str, int]) -> Path:
    """root/<class>/<class><i>.jpg, `classes[class]` images each; all of a class have the same grey value."""
    for label, (name, count) in enumerate(classes.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            (root / name / f"{name}{index}.jpg").write_bytes(jpeg_bytes(20 * label))
    return root


def write_zip_maps(root: Path, *, compression: int = zipfile.ZIP_STORED) -> Path:
    """The four official files: three training classes with two images each, one validation image of each."""
    folders = ["n01", "n02", "n03"]
    train = [(f"{folder}/{folder}_{i}.JPEG", label) for label, folder in enumerate(folders) for i in range(2)]
    val = [(f"val_{label}.JPEG", label) for label in range(3)]
    for part, samples in (("train", train), ("val", val)):
        with zipfile.ZipFile(root / f"{part}.zip", "w", compression) as archive:
            for name, label in samples:
                archive.writestr(name, jpeg_bytes(20 * label))
        (root / f"{part}_map.txt").write_text("".join(f"{name}\t{label}\n" for name, label in samples))
    return root


def write_json_lists(root: Path) -> Path:
    """The two official ImageNet-22K lists with their images; classes 1 and 2 share no folder, class 0 has two."""
    train = [["n01/a.jpg", 0], ["n01b/b.jpg", 0], ["n02/a.jpg", 1], ["n03/a.jpg", 2]]
    val = [["n03/v.jpg", 2], ["n02/v.jpg", 1]]
    for name, label in train + val:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(jpeg_bytes(20 * label))
    (root / "ILSVRC2011fall_whole_map_train.txt").write_text(json.dumps(train))
    (root / "ILSVRC2011fall_whole_map_val.txt").write_text(json.dumps(val))
    return root
