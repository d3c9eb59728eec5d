"""Short clips of a square that wanders over a grey ground."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="PyAV, of the extra video, is not installed")


def picture(number: int, size: tuple[int, int] = (48, 32)) -> Image.Image:
    """Frame `number`: red at the left, and a white square that is two pixels further right in every frame."""
    width, height = size
    pixels = np.full((height, width, 3), 90, dtype=np.uint8)
    pixels[:, : width // 4] = (220, 30, 30)
    pixels[8:20, 14 + 2 * number : 26 + 2 * number] = 255
    return Image.fromarray(pixels)


def write_clip(
    path: Path,
    *,
    frames: int = 6,
    rate: Fraction | int = 10,
    size: tuple[int, int] = (48, 32),
    rotation: int = 0,
    times: Sequence[int] | None = None,
) -> Path:
    """A clip; `rotation` is what players turn it by, anticlockwise; `times` those of the frames in 1/`rate` seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate, options={"qscale": "1"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(frames):
            frame = av.VideoFrame.from_image(picture(number, size))
            frame.pts = number if times is None else times[number]
            frame.time_base = 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
