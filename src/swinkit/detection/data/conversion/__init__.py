"""Other formats of detection data, made into COCO json."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from swinkit.detection.data.conversion.coco_writing import CocoBuilder
from swinkit.detection.data.conversion.cvat import convert_cvat, find_cvat
from swinkit.detection.data.conversion.findings import BadFilesError, Findings
from swinkit.detection.data.conversion.instance_masks import (
    convert_instance_files,
    convert_instance_masks,
    find_instance_files,
    find_instance_masks,
)
from swinkit.detection.data.conversion.labelme import convert_labelme, find_labelme
from swinkit.detection.data.conversion.voc import convert_voc, find_voc
from swinkit.detection.data.conversion.yolo import convert_yolo
from swinkit.detection.data.conversion.yolo_layout import find_yolo, label_files
from swinkit.errors import InputError
from swinkit.files import is_file, is_folder, refuse_existing, write_json

__all__ = ["BadFilesError", "ConvertedPart", "DetectionFormat", "Findings", "convert_detection_data", "find_format"]

DetectionFormat = Literal["voc", "yolo", "cvat", "labelme", "instance_files", "instance_masks"]

_log = logging.getLogger(__name__)


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
    skip_bad: bool = False,
    findings: Findings | None = None,
) -> list[ConvertedPart]:
    """Write COCO json files for a folder of data in another format; images stay where they are.

    Args:
        source: the folder.
        out: the folder in whose annotations/ the json files are written (train.json, val.json, test.json, or
            objects.json where the data are not divided). Default: `source`.
        source_format: found out where it is None.
        classes: names in the order of their ids.
        zero_based: see `convert_voc`.
        skip_bad: write what is whole, and leave out the files that are not.
        findings: gets what was left out, to be shown; without it, that is logged.

    Raises:
        BadFilesError: naming every file that cannot be converted; nothing is written then.
        InputError: where the format is not found, there is no object, or a json exists already.
    """
    out = out or source
    shown = findings if findings is not None else Findings(source)
    found = source_format or find_format(source)
    builders = _builders(found, source, out, shown, classes, zero_based=zero_based)
    if shown.bad and not skip_bad:
        raise BadFilesError(shown.bad)
    for sentence in shown.bad:
        shown.leave_out("files that cannot be converted", sentence)
    if not builders:
        raise InputError(f"found no {found.upper()} data in {source}; see swinkit convert-data --help for the layouts")
    paths = {part: out / "annotations" / f"{part}.json" for part in builders}
    for part, path in paths.items():
        refuse_existing(path)
        if not builders[part].counts[1]:
            raise InputError(f"none of the {builders[part].counts[0]} images of {source} for {part}.json has an object")
    for part, builder in builders.items():
        write_json(paths[part], builder.content())
    for line in shown.lines() if findings is None else ():
        _log.warning("%s", line)
    return [ConvertedPart(paths[part], *builder.counts) for part, builder in builders.items()]


def find_format(source: Path) -> DetectionFormat:
    """Which format the data in `source` have. Raises InputError where it is none or could be several."""
    if is_file(source):
        raise InputError(f"{source} is a file; give the folder that holds it and its images")
    if not is_folder(source):
        raise InputError(
            f"the data folder {source} does not exist; give a folder of VOC or YOLO data, or another format"
        )
    surer: dict[DetectionFormat, bool] = {
        "voc": bool(find_voc(source)),
        "yolo": bool(find_yolo(source)),
        "cvat": bool(find_cvat(source)),
        "labelme": bool(find_labelme(source)),
    }
    found: list[DetectionFormat] = [name for name, is_there in surer.items() if is_there]
    if not found and find_instance_files(source):
        return "instance_files"
    if not found and find_instance_masks(source):
        return "instance_masks"
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{source} holds several formats ({', '.join(found)}); say which with --format")
    texts = label_files(source)
    there = f" (there are {len(texts)} text files, but none where it belongs to an image)" if texts else ""
    raise InputError(
        f"found no VOC xml and no YOLO text files with their images in {source}{there}, and nothing of CVAT or LabelMe "
        "nor masks of instances; give the folder with Annotations/ and JPEGImages/, with images/ and labels/, or with "
        "images/ and masks/"
    )


def _builders(
    source_format: DetectionFormat,
    source: Path,
    out: Path,
    findings: Findings,
    classes: Sequence[str] | None,
    *,
    zero_based: bool,
) -> dict[str, CocoBuilder]:
    if source_format == "voc":
        return convert_voc(source, out, findings, classes=classes, zero_based=zero_based)
    convert = {
        "yolo": convert_yolo,
        "cvat": convert_cvat,
        "labelme": convert_labelme,
        "instance_files": convert_instance_files,
        "instance_masks": convert_instance_masks,
    }[source_format]
    return convert(source, out, findings, classes=classes)
