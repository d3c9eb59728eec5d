"""What COCO's evaluation servers take: detections in images whose ground truth is secret, as those of test-dev.

    boxes/detections_test-dev2017_NAME_results.json     and the same as .zip, for the server of boxes
    masks/detections_test-dev2017_NAME_results.json     and the same as .zip, for the server of masks

A server tells its files by this name, and wants the json alone in the zip, in no folder (cocodataset.org/#upload).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from swinkit.detection.data.coco import CocoData
from swinkit.detection.evaluation_images import EvaluationImages
from swinkit.detection.predictor import Detector
from swinkit.detection.scores import DetectionScores
from swinkit.errors import InputError, border
from swinkit.files import written_whole
from swinkit.serialization import to_plain
from swinkit.structures import ONE_VIEW, Views
from swinkit.training.processes import Processes

UNFINISHED = "unfinished.jsonl"
"""Holds what was found so far, a line for each image, until the files are written."""


@dataclass(frozen=True)
class Submission:
    """What was written."""

    images: int
    detections: int
    files: tuple[Path, ...]


def write_submission(
    detector: Detector,
    data: CocoData,
    folder: Path,
    *,
    name: str,
    views: Views = ONE_VIEW,
    workers: int = 0,
    step: Callable[[int], object] = lambda done: None,
) -> Submission:
    """Detect in all images of `data` and write the files for the servers into `folder`.

    A call that was killed goes on where it was, and the files come out the same. Boxes are rounded to a hundredth of a
    pixel and scores to five digits, as files of many gigabytes are turned down.

    Args:
        detector: finds boxes, or boxes and masks.
        data: images of a json without annotations.
        folder: where the files go.
        name: of the method, for the servers.
        views: how each image is shown.
        workers: processes that load images.
        step: called with the number of images done.

    Raises:
        InputError: where `folder` holds the unfinished work of another model or data, or cannot be written to.
    """
    scores = DetectionScores(data.coco(), has_masks=detector.model.has_masks)
    with _Journal(folder / UNFINISHED, fingerprint(detector, data, views)) as journal:
        lacking = [index for index, image_id in enumerate(data.image_ids) if image_id not in journal]
        step(len(data) - len(lacking))
        part, processes = data.subset(lacking), Processes(0, 1, detector.device)
        images = EvaluationImages(part, detector.preprocessing, views=views, workers=workers, processes=processes)
        for index, found in images.detections(detector.model):
            rows = scores.as_coco(part.image_ids[index], found)
            journal.add(part.image_ids[index], [_rounded(row) for row in rows])
            step(len(data) - len(lacking) + index + 1)
        kinds: list[Kind] = ["boxes", "masks"] if scores.has_masks else ["boxes"]
        file_name = f"detections_{_test_set(data)}_{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}_results.json"
        files = [file for kind in kinds for file in _write(journal, folder / kind / file_name, kind)]
        count = sum(len(rows) for rows in journal.all_rows())
    (folder / UNFINISHED).unlink()
    return Submission(len(data), count, tuple(files))


Kind = Literal["boxes", "masks"]


class _Journal:
    """A file with a line for each image that is done, after one that says of which work."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._places: dict[int, int] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab+")
        except OSError as error:
            raise InputError(f"cannot write {path} ({error.strerror}); choose another folder with --out") from None
        self._read(fingerprint)

    def _read(self, fingerprint: str) -> None:
        """Find the lines that are whole; what a kill left half-written after them is cut off."""
        self._file.seek(0)
        end = 0
        for number, line in enumerate(iter(self._file.readline, b"")):
            if not line.endswith(b"\n"):
                break
            if number:
                self._places[self._image_id(line)] = end
            elif line.decode(errors="replace").strip() != fingerprint:
                raise InputError(
                    f"{self._path} holds detections of another model or of other images, unfinished; remove it to "
                    "begin anew, or choose another folder with --out"
                )
            end += len(line)
        self._file.truncate(end)
        if not end:
            self._append(fingerprint)

    def _image_id(self, line: bytes) -> int:
        """The image of a line; raises InputError where it is none of those that `add` writes."""
        with border(f"{self._path} is damaged", "remove it to begin anew"):
            content = json.loads(line)
            image_id, rows = content["image_id"], content["found"]
            if (
                type(image_id) is not int
                or not isinstance(rows, list)
                or not all(isinstance(row, dict) for row in rows)
            ):
                raise ValueError("a line is no image with its detections")
            return image_id

    def __enter__(self) -> _Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def __contains__(self, image_id: int) -> bool:
        return image_id in self._places

    def add(self, image_id: int, rows: list[dict[str, Any]]) -> None:
        self._places[image_id] = self._file.seek(0, 2)
        self._append(json.dumps({"image_id": image_id, "found": rows}))

    def _append(self, line: str) -> None:
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise InputError(f"cannot write {self._path} ({error.strerror}); free some space and go on") from None

    def all_rows(self) -> Iterator[list[dict[str, Any]]]:
        """What was found in each image, by ascending id."""
        for _, place in sorted(self._places.items()):
            self._file.seek(place)
            yield json.loads(self._file.readline())["found"]


def _write(journal: _Journal, path: Path, kind: Kind) -> Iterator[Path]:
    """Writes the json, and the zip with it; image by image, as all of test-dev's masks take gigabytes of memory."""
    lacking = {"boxes": "segmentation", "masks": "bbox"}[kind]
    with written_whole(path) as temporary, temporary.open("w", encoding="ascii") as file:
        comma = "["
        for rows in journal.all_rows():
            for row in rows:
                file.write(comma + json.dumps({key: value for key, value in row.items() if key != lacking}))
                comma = ",\n"
        file.write("[]\n" if comma == "[" else "]\n")
    yield path
    entry = zipfile.ZipInfo(path.name)  # without the time of day, so that the same content makes the same file
    entry.compress_type = zipfile.ZIP_DEFLATED
    with (
        written_whole(path.with_suffix(".zip")) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
        path.open("rb") as source,
        archive.open(entry, "w", force_zip64=True) as target,
    ):
        shutil.copyfileobj(source, target)
    yield path.with_suffix(".zip")


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"bbox": [round(value, 2) for value in row["bbox"]], "score": round(row["score"], 5)}


def _test_set(data: CocoData) -> str:
    """`test-dev2017` of image_info_test-dev2017.json."""
    return data.table.path.stem.removeprefix("image_info_")


def fingerprint(detector: Detector, data: CocoData, views: Views) -> str:
    """One line that is another for another model, another way to show images to it, or other images."""
    names = [data.file_name(index) for index in range(len(data))]
    images = json.dumps([data.image_ids, names, data.sizes, data.coco()["categories"]])
    return json.dumps(
        {
            "model": _digest_of_weights(detector.model),
            "config": to_plain(detector.model.config),
            "shown": [to_plain(detector.preprocessing), to_plain(views)],
            "images": hashlib.blake2b(images.encode(), digest_size=16).hexdigest(),
        },
        sort_keys=True,
    )


def _digest_of_weights(model: nn.Module) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
