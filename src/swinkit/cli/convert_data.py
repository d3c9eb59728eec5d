"""swinkit convert-data SOURCE"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from swinkit.detection.data.conversion import BadFilesError, Findings, convert_detection_data
from swinkit.errors import InputError
from swinkit.files import read_lines


@dataclass(frozen=True)
class ConvertDataOptions:
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Folder of Pascal VOC data (Annotations/*.xml with JPEGImages/, or xml files beside the images in train/ and
    valid/) or of YOLO data (data.yaml or classes.txt; images/ with labels/)."""
    out: Path | None = None
    """Folder in whose annotations/ the json files are written; they must not be there yet. Default: SOURCE. Images
    stay where they are."""
    format: Literal["voc", "yolo"] | None = None
    """What SOURCE holds. Default: found out."""
    classes_file: Path | None = None
    """Text file with a class name a line, in the order of the ids. Default: the data's own names."""
    zero_based: bool = False
    """VOC coordinates are edges counted from 0, not pixels counted from 1."""
    skip_bad: bool = False
    """Write what is whole, and leave out the files that cannot be converted."""


def convert_data_command(arguments: Sequence[str]) -> None:
    """Write COCO json files for Pascal VOC xml or YOLO txt annotations; train and check-data read them."""
    options = tyro.cli(
        ConvertDataOptions, args=list(arguments), prog="swinkit convert-data", description=convert_data_command.__doc__
    )
    classes = None
    if options.classes_file is not None:
        classes = read_lines(options.classes_file)
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
        for sentence in error.sentences:
            print(f"bad: {sentence}")
        count = len(error.sentences)
        raise InputError(
            f"{options.source} has {count} file{'' if count == 1 else 's'} that cannot be converted, listed above; "
            "correct them, or leave them out with --skip-bad"
        ) from None
    for part in parts:
        print(f"{part.path}: {part.images:,} images, {part.objects:,} objects")
    for line in findings.lines():
        print(f"  {line}")
    print(f"\nTry next:\n  {shlex.join(['swinkit', 'check-data', str(options.out or options.source)])}")
