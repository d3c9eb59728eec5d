"""Draw the README's picture, docs/picture.png, with `swinkit predict`.

python docs/draw_picture.py RUN [SCENE SCENE]   # RUN: the folder of a `swinkit train digit_scenes_detection`

Two scenes of the validation, of which no digit and no part of the photograph was seen in training.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from swinkit.cli import main
from swinkit.detection.data.scenes import open_detection_scenes
from swinkit.recipes.digit_scenes import SCENES

PICTURE = Path(__file__).parent / "picture.png"
CHOSEN = ("46", "52")
MOST_BYTES = 300_000


def draw(run: str, scenes: Sequence[str], out: Path = PICTURE) -> None:
    """What the run's detector finds in the scenes of these numbers, side by side."""
    data = open_detection_scenes(SCENES)[1]
    with tempfile.TemporaryDirectory() as folder:
        names = [Path(folder) / f"{number}.png" for number in scenes]
        for name in names:
            data[int(name.stem)][0].save(name)
        if main(["predict", run, *map(str, names), "--threshold", "0.5", "--out", f"{folder}/drawn"]):
            raise SystemExit(2)
        drawn = [Image.open(path).convert("RGB") for path in sorted(Path(folder, "drawn").glob("*.png"))]
    whole = Image.new("RGB", (sum(each.width for each in drawn), max(each.height for each in drawn)), "white")
    left = 0
    for each in drawn:
        whole.paste(each, (left, 0))
        left += each.width
    whole.quantize(256).save(out, optimize=True)
    if out.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{out} has {out.stat().st_size} bytes, more than {MOST_BYTES}")


if __name__ == "__main__":
    draw(sys.argv[1], sys.argv[2:] or CHOSEN)
