"""Other formats of detection data, made into COCO json."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from swinkit.detection.data.conversion.voc import convert_voc, find_voc
from swinkit.detection.data.conversion.yolo import convert_yolo, find_yolo
from swinkit.errors import InputError
from swinkit.files import is_folder, refuse_existing, write_json

__all__ = ["ConvertedPart", "DetectionFormat", "convert_detection_data", "convert_voc", "convert_yolo", "find_format"]

DetectionFormat = Literal["voc", "yolo"]


@dataclass(frozen=True)
class ConvertedPart:
    """A json that was written."""

    path: Path
    images: int
    objects: int


def convert_detection_data(
    source: Path,
    out: Path | None = None,
    *,
    source_format: DetectionFormat | None = None,
    classes: Sequence[str] | None = None,
    zero_based: bool = False,
) -> list[ConvertedPart]:
    """Write COCO json files for a folder of VOC or YOLO data; images stay where they are.

    Args:
        source: the folder.
        out: the folder in whose annotations/ the json files are written (train.json, val.json, test.json, or
            objects.json where the data are not divided). Default: `source`.
        source_format: found out where it is None.
        classes: names in the order of their ids.
        zero_based: see `convert_voc`.

    Raises:
        InputError: where the format is not found, something in the data is broken (naming the file), or a json exists
            already; nothing is written then.
    """
    out = out or source
    found = source_format or find_format(source)
    parts = list((find_voc if found == "voc" else find_yolo)(source))
    if not parts:
        raise InputError(f"found no {found.upper()} data in {source}; see swinkit convert-data --help for the layouts")
    paths = {part: out / "annotations" / f"{part}.json" for part in parts}
    for path in paths.values():
        refuse_existing(path)
    if found == "voc":
        builders = convert_voc(source, out, classes=classes, zero_based=zero_based)
    else:
        builders = convert_yolo(source, out, classes=classes)
    for part, builder in builders.items():
        write_json(paths[part], builder.content())
    return [ConvertedPart(paths[part], *builder.counts) for part, builder in builders.items()]


def find_format(source: Path) -> DetectionFormat:
    """Which format the data in `source` have. Raises InputError where it is neither or both."""
    if not is_folder(source):
        raise InputError(f"the data folder {source} does not exist; give a folder of VOC or YOLO data")
    is_voc, is_yolo = bool(find_voc(source)), bool(find_yolo(source))
    if is_voc and is_yolo:
        raise InputError(f"{source} holds xml and YOLO text files; say which with --format")
    if not is_voc and not is_yolo:
        raise InputError(
            f"found no VOC xml and no YOLO text files in {source}; give the folder with Annotations/ and JPEGImages/, "
            "or with images/ and labels/"
        )
    return "voc" if is_voc else "yolo"
