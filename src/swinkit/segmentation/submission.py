"""What a test server takes of a segmentor: the class of every pixel of images without masks, as PNGs in one zip.

ADE20K's server wants a one-channel PNG of each image under its name, with the numbers of its classes: 1 to 150, as in
its masks, where 0 is "other".
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from swinkit.errors import InputError
from swinkit.files import written_whole
from swinkit.images.read import read_image
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.pictures import MOST_IN_8_BITS
from swinkit.segmentation.predictor import Segmentor
from swinkit.structures import ONE_VIEW, Views

NAME = "predictions.zip"


def write_submission(
    segmentor: Segmentor,
    images: Sequence[Path],
    folder: Path,
    *,
    settings: InferenceSettings | None = None,
    views: Views = ONE_VIEW,
    reduce_zero_label: bool = False,
    step: Callable[[int], object] = lambda done: None,
) -> Path:
    """Write `folder`/predictions.zip with a PNG for each image, and return it.

    Args:
        segmentor: the model.
        images: image files whose names, without the ending, differ.
        folder: where the zip goes; made where it is not there.
        settings: how images are shown; None is the segmentor's own.
        views: at which scales, and whether mirrored, too.
        reduce_zero_label: the first class is 1 in the PNGs, as in the masks that the model was trained on.
        step: called with the number of images done, after each.

    Raises:
        InputError: where an image cannot be read, two have one name, or the file cannot be written. Nothing is then
            left behind.
    """
    names = [f"{path.stem}.png" for path in images]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InputError(f"two images would both be {twice} in the zip; give them names that differ")
    if len(segmentor.classes) + reduce_zero_label > MOST_IN_8_BITS:
        begin = " that begin with 1" if reduce_zero_label else ""
        raise InputError(
            f"{len(segmentor.classes)} classes{begin} do not fit into PNGs of 8 bits, which servers take; "
            "swinkit predict writes masks of 16"
        )
    out = folder / NAME
    with written_whole(out) as partial, zipfile.ZipFile(partial, "w") as archive:
        for number, (path, name) in enumerate(zip(images, names, strict=True), 1):
            result = segmentor.predict(read_image(path), settings=settings, views=views)
            values = result.mask + 1 if reduce_zero_label else result.mask
            content = io.BytesIO()
            Image.fromarray(values.astype("uint8")).save(content, format="PNG")
            archive.writestr(zipfile.ZipInfo(name), content.getvalue())  # without the time of day
            step(number)
    return out
