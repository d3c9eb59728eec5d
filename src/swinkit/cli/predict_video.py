"""A video shown to a model, frame by frame: an annotated mp4, and a line of JSON for every frame."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from swinkit.files import written_whole
from swinkit.images.video import open_video, written_video
from swinkit.training.progress import progress_bar


class SeenFrame(Protocol):
    """What a model of any task says of an image."""

    def on_image(self) -> Image.Image:
        """The image at its own size with what is said of it."""

    def to_dict(self) -> Any:
        """Plain data; a list is of objects."""


def predict_video(path: Path, picture: Path, see: Callable[[Image.Image], SeenFrame], *, draws: bool) -> dict[str, Any]:
    """Show every frame to `see`, and write NAME.jsonl and, if it `draws`, NAME.mp4, NAME being that of `picture`: both
    whole, or none. No more than a frame is held at a time.

    Returns what JSON says of the video.

    Raises InputError where it cannot be read to its end, or something cannot be written.
    """
    lines, film = picture.with_suffix(".jsonl"), picture.with_suffix(".mp4")
    with ExitStack() as stack:
        video = stack.enter_context(open_video(path))
        output = stack.enter_context(stack.enter_context(written_whole(lines)).open("w", encoding="utf-8"))
        write = stack.enter_context(written_video(film, video)) if draws else None
        show, done, seconds = progress_bar(max(1, video.count), f"predicting {path.name}"), 0, 0.0
        for frame in video.frames():
            seen = see(frame.image)
            found = seen.to_dict()
            row: dict[str, Any] = {"frame": frame.number, "seconds": round(frame.seconds, 4)}
            row |= {"objects": found} if isinstance(found, list) else found
            output.write(json.dumps(row, ensure_ascii=False) + "\n")
            if write is not None:
                write(frame, seen.on_image())
            done, seconds = done + 1, frame.seconds + float(1 / video.rate)
            show(min(done, video.count - 1))
        show(max(1, video.count))
    if draws:
        print(f"{path}\n  {done} frames, {seconds:.1f} s\n  video:   {film}\n  results: {lines}\n")
    return {"video": str(path), "frames": done, "results": str(lines)}
