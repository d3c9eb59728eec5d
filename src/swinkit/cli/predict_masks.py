"""swinkit predict CHECKPOINT IMAGE..., of a segmentor"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from swinkit.cli.image_paths import image_paths, picture_paths
from swinkit.cli.segmentation_options import ShownAs
from swinkit.errors import InputError
from swinkit.images.read import read_image
from swinkit.segmentation.pictures import draw_segmentation, save_index_mask
from swinkit.segmentation.predictor import open_segmentor
from swinkit.training.processes import choose_device


@dataclass(frozen=True)
class PredictMasksOptions:
    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A model file, the folder of a run, a name that `swinkit models` lists, an address, or hf-hub:owner/name."""
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")]
    """Images, folders of images, or patterns such as "photos/*.jpg"."""
    shown: Annotated[ShownAs, tyro.conf.arg(name="")] = field(default_factory=ShownAs)
    side_by_side: bool = False
    """Show the image itself beside the painted one."""
    out: Path = Path("predictions")
    """Folder for the pictures, NAME.png, and for the masks, NAME_mask.png, whose values are the classes."""
    json: bool = False
    """Print JSON instead of text; masks are written, pictures not."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""


def predict_masks_command(arguments: Sequence[str]) -> None:
    """Paint the class of every pixel over images, and write index masks."""
    options = tyro.cli(
        PredictMasksOptions, args=list(arguments), prog="swinkit predict", description=predict_masks_command.__doc__
    )
    paths = list(image_paths(options.images))
    segmentor = open_segmentor(options.checkpoint, device=choose_device(options.device))
    settings = options.shown.settings(segmentor.inference)
    results, failures = [], []
    pictures = picture_paths(paths, options.out, endings=("", "_mask"))
    for path, picture in zip(paths, pictures, strict=True):
        try:
            image = read_image(path)
        except InputError as error:
            failures.append(str(error))
            continue
        classes = segmentor.predict(image, settings).numpy()
        mask = picture.with_name(f"{picture.stem}_mask.png")
        save_index_mask(classes, len(segmentor.classes), mask)
        shares = _shares(classes, segmentor.classes)
        results.append({"image": str(path), "mask": str(mask), "shares": shares})
        if not options.json:
            draw_segmentation(image, classes, segmentor.classes, picture, side_by_side=options.side_by_side)
            print(path)
            print("  " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in list(shares.items())[:8]))
            print(f"  picture: {picture}\n  mask:    {mask}\n")
    if options.json:
        print(json.dumps(results, ensure_ascii=False))
    if failures:
        raise InputError("; ".join(failures))


def _shares(classes: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Share of the pixels of every class that occurs, largest first."""
    counts = np.bincount(classes.ravel(), minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    return {names[index]: float(counts[index] / classes.size) for index in order if counts[index]}
