"""swinkit predict CHECKPOINT IMAGE..., of a segmentor"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from swinkit.cli.image_paths import image_paths, picture_paths
from swinkit.cli.segmentation_options import ShownAs
from swinkit.errors import InputError
from swinkit.segmentation.predictor import Segmentor
from swinkit.training.processes import choose_device
from swinkit.weights.model_file import read_model_file


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
    file, device = read_model_file(options.checkpoint), choose_device(options.device)
    predict_masks(Segmentor.from_file(file, device=device), paths, options)


def predict_masks(segmentor: Segmentor, paths: Sequence[Path], options: PredictMasksOptions) -> None:
    """Write and print what an opened segmentor sees in images; those that cannot be used are named at the end."""
    settings = options.shown.settings(segmentor.preprocessing)
    results, failures = [], []
    for path, picture in zip(paths, picture_paths(paths, options.out, endings=("", "_mask")), strict=True):
        try:
            result = segmentor.predict(path, settings=settings)
        except InputError as error:
            failures.append(str(error))
            continue
        mask = result.save_mask(picture.with_name(f"{picture.stem}_mask.png"))
        results.append({"image": str(path), "mask": str(mask), **result.to_dict()})
        if not options.json:
            result.save(picture, side_by_side=options.side_by_side)
            print(path)
            print("  " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in list(result.shares.items())[:8]))
            print(f"  picture: {picture}\n  mask:    {mask}\n")
    if options.json:
        print(json.dumps(results, ensure_ascii=False))
    if failures:
        raise InputError("; ".join(failures))
