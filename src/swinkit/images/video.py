"""Videos: frames one by one, and annotated frames written back at the clip's own times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from swinkit.errors import InputError, border
from swinkit.files import ADVICE, BoundedFile, written_whole

if TYPE_CHECKING:
    import av

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"})

MOST_PIXELS = 7680 * 4320
"""Width x height of a frame: the largest televisions'."""

# Formats that are one file: a playlist, for one, would make the reader open whatever files and addresses it names.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts"
_MOST_MISSING = 0.1
"""A file that has fewer of the frames that it says it has is cut short."""
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
_ADVICE = "check that it plays, or convert it to mp4"
_ENCODERS = (("libx264", {"crf": "20", "preset": "veryfast"}), ("mpeg4", {"qscale": "3"}))


@dataclass(frozen=True)
class Frame:
    """A picture of a video."""

    number: int
    """From 0."""
    time: int
    """From 0 at the first frame, in units of `Video.unit`."""
    seconds: float
    image: Image.Image
    """Upright, 8-bit RGB."""


class Video:
    """A video that is open, see `open_video`."""

    def __init__(self, path: Path, container: av.container.InputContainer) -> None:
        self._path, self._container = path, container
        self._stream = container.streams.video[0]
        _check_size(path, self._stream.codec_context.width, self._stream.codec_context.height)
        self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or 25)
        """Frames a second, on average."""
        self.unit = Fraction(self._stream.time_base or 1 / self.rate)
        """Seconds."""

    @property
    def count(self) -> int:
        """How many frames there are, by what the file says; 0 where it does not say."""
        if self._stream.frames:
            return self._stream.frames
        seconds = (self._container.duration or 0) / 1_000_000
        return round(seconds * self.rate)

    def frames(self) -> Iterator[Frame]:
        """One after the other; raises InputError where the file is damaged or cut short."""
        first: int | None = None
        last, number = -1, 0
        with border(f"{self._path} is a damaged video", _ADVICE):
            for decoded in self._container.decode(self._stream):
                _check_size(self._path, decoded.width, decoded.height)
                step = max(1, round(1 / (self.rate * self.unit)))
                if first is None:
                    first = decoded.pts
                stamp = last + step if decoded.pts is None or first is None else decoded.pts - first
                last = max(stamp, last + 1)  # times of damaged files stand still or go back
                yield Frame(number, last, float(last * self.unit), _upright(decoded))
                number += 1
        self._check_count(number)

    def _check_count(self, number: int) -> None:
        if number == 0:
            raise InputError(f"{self._path} holds no picture that can be read; {_ADVICE}")
        if number < (1 - _MOST_MISSING) * self._stream.frames:
            raise InputError(
                f"{self._path} is cut short: of {self._stream.frames} frames {number} can be read; copy it once more"
            )


def is_video_name(name: str) -> bool:
    """Whether a file of this name is taken for a video: a known suffix, and not hidden."""
    return Path(name).suffix.lower() in VIDEO_SUFFIXES and not Path(name).name.startswith(".")


@contextmanager
def open_video(path: Path) -> Iterator[Video]:
    """Inside, the video is open.

    Raises InputError where PyAV is not installed, or the file is missing, no video, or has frames of more than
    `MOST_PIXELS`.
    """
    if find_spec("av") is None:
        raise InputError(f"{path} is a video, which needs PyAV; install it with pip install 'swinkit[video]'")
    import av

    with _opened(path) as file:
        with border(f"{path} is no video that can be read", _ADVICE):
            container = av.open(file, "r", container_options={"format_whitelist": _FORMATS})
        with container:
            if not container.streams.video:
                raise InputError(f"{path} holds no pictures, sound alone; give a video")
            yield Video(path, container)


@contextmanager
def written_video(path: Path, video: Video) -> Iterator[Callable[[Frame, Image.Image], None]]:
    """Inside, a function that takes the frames of `video` and the picture to write for each: an mp4 of the same rate
    and times, without sound. The file is whole afterwards, or not there.

    Pictures have the size of the first one, an odd side a pixel less; raises InputError where `path` cannot be written.
    """
    import av

    with (
        written_whole(path) as temporary,
        temporary.open("wb") as file,
        av.open(file, "w", format="mp4") as container,
    ):
        writer = _Writer(path, container, video)
        yield writer.write
        writer.close()


@contextmanager
def _opened(path: Path) -> Iterator[BoundedFile]:
    """The file, open; raises InputError where it cannot be opened."""
    with border(f"cannot read {path}", "check the path and its permissions"):
        file = BoundedFile(path)
    with file:
        yield file


class _Writer:
    def __init__(self, path: Path, container: av.container.OutputContainer, video: Video) -> None:
        self._path, self._container, self._video = path, container, video
        self._stream: Any = None

    def write(self, frame: Frame, picture: Image.Image) -> None:
        import av

        if self._stream is None:
            self._stream = self._started(picture.width // 2 * 2 or 2, picture.height // 2 * 2 or 2)
        size = (self._stream.width, self._stream.height)
        if picture.width - size[0] in (0, 1) and picture.height - size[1] in (0, 1):
            picture = picture.crop((0, 0, *size))
        else:  # a clip whose frames change their size
            picture = picture.resize(size)
        with border(f"cannot write {self._path}", ADVICE):
            encoded = av.VideoFrame.from_image(picture)
            encoded.pts, encoded.time_base = frame.time, self._video.unit
            self._container.mux(self._stream.encode(encoded))

    def _started(self, width: int, height: int) -> Any:
        name, options = _encoder()
        stream: Any = self._container.add_stream(name, rate=self._video.rate, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = self._video.unit
        return stream

    def close(self) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))


def _encoder() -> tuple[str, dict[str, str]]:
    """The first of the encoders that this PyAV was built with."""
    import av

    for name, options in _ENCODERS:
        if name in av.codecs_available:
            return name, options
    raise InputError("this PyAV has no encoder for mp4; install it with pip install --force-reinstall av")


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{path} has frames of {width} x {height} pixels, more than the limit of {MOST_PIXELS}; scale it down"
        )


def _upright(frame: av.VideoFrame) -> Image.Image:
    """The frame as it is to be seen: telephones write films lying down and say so."""
    image: Image.Image = frame.to_image()
    turn = _TURNS.get(round(frame.rotation / 90) * 90 % 360)
    return image if turn is None else image.transpose(turn)
