"""swinkit convert-data SOURCE"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from swinkit.classification.data.class_tables import BadRowsError, find_class_table, write_class_folders
from swinkit.cli.console import program
from swinkit.detection.data.conversion import (
    BadFilesError,
    DetectionFormat,
    Findings,
    convert_detection_data,
    find_format,
)
from swinkit.errors import InputError
from swinkit.files import is_file, read_lines


@dataclass(frozen=True)
class ConvertDataOptions:
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Folder of data: Pascal VOC (xml files and their images), YOLO (data.yaml, obj.data or classes.txt; images with
    text files), CVAT for images (an xml), LabelMe (json files), masks with a value for each instance (images/ with
    masks/) or a file for each instance. Or a CSV of files and classes, of which class folders are made."""
    out: Path | None = None
    """Folder in whose annotations/ the json files are written; they must not be there yet. Default: SOURCE. Images
    stay where they are. Of a CSV: the folder of class folders to make."""
    format: DetectionFormat | None = None
    """What SOURCE holds. Default: found out."""
    classes_file: Path | None = None
    """Text file with a class name a line, in the order of the ids. Default: the data's own names."""
    zero_based: bool = False
    """VOC coordinates are edges counted from 0, not pixels counted from 1."""
    skip_bad: bool = False
    """Write what is whole, and leave out the files that cannot be converted."""


def convert_data_command(arguments: Sequence[str]) -> None:
    """Write COCO json files for annotations of other formats, or class folders for a CSV; train and check-data read
    them."""
    options = tyro.cli(
        ConvertDataOptions, args=list(arguments), prog="swinkit convert-data", description=convert_data_command.__doc__
    )
    table = find_class_table(options.source) if options.format is None else None
    if table is not None and (is_file(options.source) or not _is_detection(options.source)):
        _write_classes(table, options)
        return
    classes = None if options.classes_file is None else read_lines(options.classes_file)
    findings = Findings(options.source)
    try:
        parts = convert_detection_data(
            options.source,
            options.out,
            source_format=options.format,
            classes=classes,
            zero_based=options.zero_based,
            skip_bad=options.skip_bad,
            findings=findings,
        )
    except BadFilesError as error:
        raise _listed(error.sentences, options.source) from None
    for part in parts:
        print(f"{part.path}: {part.images:,} images, {part.objects:,} objects")
    for line in findings.lines():
        print(f"  {line}")
    _say_next(options.out or options.source)


def _write_classes(table: Path, options: ConvertDataOptions) -> None:
    try:
        written = write_class_folders(table, options.out, skip_bad=options.skip_bad)
    except BadRowsError as error:
        raise _listed(error.sentences, table) from None
    print(f"{written.root}: {written.images:,} images in {written.classes} classes")
    for line in written.lines:
        print(f"  {line}")
    _say_next(written.root)


def _is_detection(source: Path) -> bool:
    try:
        find_format(source)
    except InputError:
        return False
    return True


def _listed(sentences: Sequence[str], source: Path) -> InputError:
    """Print what is bad, and give the error that ends the command."""
    for sentence in sentences:
        print(f"bad: {sentence}")
    count = len(sentences)
    return InputError(
        f"{source} has {count} bad file{'' if count == 1 else 's'} or row{'' if count == 1 else 's'}, listed above; "
        "correct them, or leave them out with --skip-bad"
    )


def _say_next(folder: Path) -> None:
    print(f"\nTry next:\n  {shlex.join([*program(), 'check-data', str(folder)])}")
