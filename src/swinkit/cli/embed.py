"""swinkit embed CHECKPOINT FOLDER --to FILE"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
import tyro
from PIL import Image

from swinkit.classification.predictor import Classifier
from swinkit.cli.by_task import TaskCommand, run_by_task
from swinkit.cli.console import result_console
from swinkit.cli.image_paths import image_paths
from swinkit.cli.task_options import name_failures
from swinkit.detection.predictor import Detector
from swinkit.embedding.labels import FOLDS, Separability, separability
from swinkit.embedding.layout import drawn, places
from swinkit.embedding.neighbours import Pair, near_duplicates, nearest
from swinkit.embedding.picture import plot_map
from swinkit.embedding.table import check_ending, write_features
from swinkit.errors import InputError
from swinkit.files import is_folder
from swinkit.images.listing import LeftOut, left_out_lines
from swinkit.images.read import read_image
from swinkit.segmentation.predictor import Segmentor
from swinkit.training.data.split_names import split_folders
from swinkit.training.progress import progress_bar

BATCH = 32
THUMBNAIL = (32, 32)
"""Width and height of what near-duplicates are told by."""


@dataclass(frozen=True)
class EmbedOptions:
    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A model file, the folder of a run, a name that `swinkit models` lists, an address, or hf-hub:owner/name."""
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Images, in it or below it; where all lie in two or more folders in it, these are their classes."""
    to: Path
    """Where the features go: a .npz or .csv file. The map goes beside it, as .png."""
    top: int = 20
    """How many near-duplicates and likely wrong labels are listed."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes with half the bits."""
    json: bool = False
    """Print JSON instead of text."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""


class Embedded(NamedTuple):
    """The images of a folder that could be read."""

    paths: list[Path]
    features: np.ndarray
    """(N, C)."""
    thumbnails: np.ndarray
    """(N, h, w, 3) uint8."""
    labels: np.ndarray | None
    """(N,), where folders are classes."""
    classes: tuple[str, ...]


def embed_command(arguments: Sequence[str]) -> None:
    """Features of a folder of images."""
    command = TaskCommand(EmbedOptions, embed_images)
    run_by_task("embed", dict.fromkeys(("classification", "detection", "segmentation"), command), arguments)


def embed_images(predictor: Classifier | Detector | Segmentor, options: EmbedOptions) -> None:
    """Write a feature for every image of a folder (the mean over the image of the backbone's last map), draw a map of
    the data set, and list near-duplicates and, where folders are classes, likely wrong labels."""
    if options.top < 1:
        raise InputError(f"--top must be at least 1, not {options.top}")
    check_ending(options.to)
    paths, left_out = _images(options.folder)
    found, failures = _embedded(predictor, paths, options.folder)
    names = None if found.labels is None else [found.classes[label] for label in found.labels]
    write_features(options.to, found.features, [str(path) for path in found.paths], names)
    picture = options.to.with_suffix(".png")
    chosen = drawn(len(found.paths))
    plot_map(
        places(found.features[chosen]),
        lambda number: read_image(found.paths[chosen[number]]),
        picture,
        labels=None if found.labels is None else found.labels[chosen],
        classes=found.classes,
    )
    said = {"features": str(options.to), "map": str(picture), **_said(predictor, found, options.top)}
    _print(said, options)
    for line in left_out_lines(left_out):
        print(line, file=sys.stderr)
    name_failures(failures, len(paths))


def _images(folder: Path) -> tuple[list[Path], list[LeftOut]]:
    if not is_folder(folder):
        raise InputError(f"{folder} is no folder; give one with images, or with a folder of images for each class")
    splits = split_folders(folder)
    if len(splits) > 1:
        given = " or ".join(str(path) for path in splits.values())
        raise InputError(f"{folder} holds several splits of a data set; embed one at a time: {given}")
    return image_paths([folder], recursive=True)


def _embedded(
    predictor: Classifier | Detector | Segmentor, paths: Sequence[Path], folder: Path
) -> tuple[Embedded, list[str]]:
    """What could be read, and why the rest could not, a sentence each. Raises InputError where that is all."""
    read: list[Path] = []
    failures: list[str] = []
    features: list[torch.Tensor] = []
    thumbnails: list[np.ndarray] = []
    step = progress_bar(len(paths), "looking")
    for start in range(0, len(paths), BATCH):
        pictures: list[Image.Image] = []
        for path in paths[start : start + BATCH]:
            try:
                pictures.append(read_image(path))
            except InputError as error:
                failures.append(str(error))
                continue
            read.append(path)
            thumbnails.append(np.asarray(pictures[-1].resize(THUMBNAIL, Image.Resampling.BOX)))
        features.append(predictor.embed(pictures))
        step(min(start + BATCH, len(paths)))
    if not read:
        name_failures(failures, len(paths))
    labels, classes = _labels(read, folder)
    return Embedded(read, torch.cat(features).numpy(), np.stack(thumbnails), labels, classes), failures


def _labels(paths: Sequence[Path], folder: Path) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The class of every image where folders are classes, and the classes' names."""
    names = ["" if path.parent == folder else path.relative_to(folder).parts[0] for path in paths]
    classes = tuple(sorted(set(names)))
    if "" in classes or len(classes) < 2:
        return None, ()
    return np.array([classes.index(name) for name in names]), classes


def _said(predictor: Classifier | Detector | Segmentor, found: Embedded, top: int) -> dict[str, Any]:
    """What the features say, as plain data."""
    said: dict[str, Any] = {"images": len(found.paths), "channels": found.features.shape[1]}
    neighbours = nearest(found.features)
    duplicates = near_duplicates(neighbours, found.thumbnails) if neighbours.numbers.shape[1] else []
    if found.labels is not None:
        measured = separability(found.features, found.labels, neighbours, len(found.classes))
        said |= {"classes": list(found.classes)} | _labels_said(measured, found, neighbours.numbers.shape[1], top)
        own = _own_accuracy(predictor, found)
        said |= {} if own is None else {"model": {"accuracy": own}}
    return said | {
        "near_duplicates": [_pair(pair, found) for pair in duplicates[:top]],
        "near_duplicates_in_all": len(duplicates),
    }


def _labels_said(measured: Separability | None, found: Embedded, near: int, top: int) -> dict[str, Any]:
    if measured is None:
        return {}
    wrong = [
        {
            "image": str(found.paths[each.number]),
            "label": found.classes[found.labels[each.number]] if found.labels is not None else "",
            "suggested": found.classes[each.suggested],
            "confidence": each.confidence,
        }
        for each in measured.wrong[:top]
    ]
    return {
        "knn": {"neighbours": near, "accuracy": measured.knn_accuracy},
        "linear_probe": {"folds": FOLDS, "accuracy": measured.probe_accuracy},
        "counted": measured.counted,
        "likely_wrong_labels": wrong,
        "likely_wrong_labels_in_all": len(measured.wrong),
    }


def _pair(pair: Pair, found: Embedded) -> dict[str, Any]:
    images = [str(found.paths[number]) for number in (pair.first, pair.second)]
    return {"images": images, "similarity": pair.similarity, "mirrored": pair.is_mirrored}


def _own_accuracy(predictor: Classifier | Detector | Segmentor, found: Embedded) -> float | None:
    """The share of images that a classifier itself gives the class of their folder; None where it lacks a class."""
    if not isinstance(predictor, Classifier) or not set(found.classes) <= set(predictor.classes):
        return None
    numbers = torch.tensor([predictor.classes.index(name) for name in found.classes])
    with torch.no_grad():
        logits = predictor.model.head(torch.from_numpy(found.features).to(predictor.device)).cpu()
    return float((logits.argmax(1) == numbers[torch.from_numpy(found.labels)]).float().mean())


def _print(said: dict[str, Any], options: EmbedOptions) -> None:
    if options.json:
        print(json.dumps(said, ensure_ascii=False))
        return
    print(f"{options.folder}: {said['images']:,} images, {said['channels']} features each")
    if "knn" in said:
        print(f"  {said['knn']['neighbours']} nearest neighbours, leave-one-out: {said['knn']['accuracy']:.2%} right")
        print(f"  linear probe, {said['linear_probe']['folds']} folds: {said['linear_probe']['accuracy']:.2%} right")
    if "model" in said:
        print(f"  the model itself: {said['model']['accuracy']:.2%} right")
    console = result_console()
    for pair in said["near_duplicates"]:
        first, second = pair["images"]
        kind = "mirrored" if pair["mirrored"] else "nearly the same"
        console.print(f"  {kind} ({pair['similarity']:.3f}): {first} and {second}", soft_wrap=True)
    for each in said.get("likely_wrong_labels", []):
        console.print(
            f"  likely wrong: {each['image']} is labelled {each['label']} ({each['confidence']:.3f}), looks like "
            f"{each['suggested']}",
            soft_wrap=True,
        )
    print(f"  features: {said['features']}\n  map:      {said['map']}")
