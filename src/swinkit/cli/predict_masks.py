"""swinkit predict CHECKPOINT IMAGE..., of a segmentor"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from PIL import Image

from swinkit.cli.segmentation_options import ShownAs
from swinkit.cli.task_options import PredictOptions, predict_each
from swinkit.pictures.figure import percent
from swinkit.segmentation.predictor import Segmentor
from swinkit.segmentation.result import Segmentation


@dataclass(frozen=True)
class PredictMasksOptions(PredictOptions):
    shown: Annotated[ShownAs, tyro.conf.arg(name="")] = field(default_factory=ShownAs)
    side_by_side: bool = False
    """Show the image itself beside the painted one."""


def predict_masks(segmentor: Segmentor, options: PredictMasksOptions) -> None:
    """Paint the class of every pixel over images and videos, and write index masks of images (NAME_mask.png), whose
    values are the classes."""
    settings = options.shown.settings(segmentor.preprocessing, options.views)

    def see(image: Image.Image) -> Segmentation:
        result = segmentor.predict(image, settings=settings, views=options.views)
        assert isinstance(result, Segmentation)
        return result

    def predict(image: Image.Image, path: Path, picture: Path) -> dict[str, Any]:
        result = see(image)
        mask = result.save_mask(picture.with_name(f"{picture.stem}_mask.png"))
        if not options.json:
            result.save(picture, side_by_side=options.side_by_side)
            shares = ", ".join(f"{name} {percent(share)}" for name, share in list(result.shares.items())[:8])
            print(f"{path}\n  {shares}\n  picture: {picture}\n  mask:    {mask}\n")
        return {"mask": str(mask), **result.to_dict()}

    predict_each(options, predict, see=see, endings=("", "_mask"))
