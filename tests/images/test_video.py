from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_videos import av, picture, write_clip, write_sound

from swinkit.errors import InputError
from swinkit.images import video as videos
from swinkit.images.video import is_video_name, open_video, written_video


def images_of(path: Path) -> list[Image.Image]:
    with open_video(path) as video:
        return [frame.image for frame in video.frames()]


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


def test_frames_with_their_times(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=6, rate=Fraction(30000, 1001))
    with open_video(path) as video:
        frames = list(video.frames())
        assert video.count == 6 and float(video.rate) == pytest.approx(29.97, abs=0.01)
    assert [frame.number for frame in frames] == list(range(6))
    assert [frame.seconds for frame in frames] == pytest.approx([n * 1001 / 30000 for n in range(6)], abs=1e-3)
    assert all(difference(frame.image, picture(frame.number)) < 8 for frame in frames)
    assert difference(frames[5].image, picture(0)) > 12


@pytest.mark.parametrize("ending", [".mkv", ".avi", ".mov"])
def test_other_containers(tmp_path: Path, ending: str) -> None:
    images = images_of(write_clip(tmp_path / f"a{ending}"))
    assert len(images) == 6 and difference(images[3], picture(3)) < 8


def test_a_film_of_a_telephone_stands_upright(tmp_path: Path) -> None:
    (first, *_) = images_of(write_clip(tmp_path / "a.mp4", rotation=-90))
    assert first.size == (32, 48)
    assert difference(first, picture(0).transpose(Image.Transpose.ROTATE_270)) < 8


def test_times_of_an_uneven_clip_are_kept(tmp_path: Path) -> None:
    times = [0, 1, 5, 6, 20, 21]
    path, out = write_clip(tmp_path / "a.mp4", times=times), tmp_path / "b.mp4"
    with open_video(path) as video, written_video(out, video) as write:
        for frame in video.frames():
            write(frame, frame.image)
    with open_video(out) as video:
        assert [frame.seconds for frame in video.frames()] == pytest.approx([time / 10 for time in times], abs=1e-3)


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    """The same frames, of an odd size, too, at the same rate."""
    path, out = write_clip(tmp_path / "a.mp4", frames=12, rate=25), tmp_path / "new" / "b.mp4"
    with open_video(path) as video, written_video(out, video) as write:
        for frame in video.frames():
            write(frame, frame.image.resize((49, 33)))
    with open_video(out) as video:
        assert video.rate == 25 and video.count == 12
    images = images_of(out)
    assert images[0].size == (48, 32) and difference(images[7], picture(7)) < 12
    assert [each.name for each in out.parent.iterdir()] == ["b.mp4"]


def test_nothing_is_left_of_a_video_that_was_not_finished(tmp_path: Path) -> None:
    path, out = write_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    with pytest.raises(RuntimeError, match="stop"), open_video(path) as video, written_video(out, video) as write:
        for frame in video.frames():
            write(frame, frame.image)
            if frame.number == 3:
                raise RuntimeError("stop")
    assert [each.name for each in tmp_path.iterdir()] == ["a.mp4"]


def broken_files(folder: Path) -> dict[Path, str]:
    whole = write_clip(folder / "whole.mkv", frames=40).read_bytes()
    files = {
        "text.mp4": b"no video at all " * 100,
        "empty.mp4": b"",
        "head.mp4": write_clip(folder / "whole.mp4", frames=40).read_bytes()[:600],
        "head.mkv": whole[:200],
        # What would open the files and addresses that it names.
        "list.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nwhole.mkv\n#EXT-X-ENDLIST\n",
        "concat.mp4": b"ffconcat version 1.0\nfile whole.mkv\n",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    found = {folder / name: "no video that can be read" for name in files}
    return found | {folder / "missing.mp4": "cannot read", write_sound(folder / "sound.mp4"): "no pictures"}


def test_a_broken_file_is_one_sentence(tmp_path: Path) -> None:
    for path, reason in broken_files(tmp_path).items():
        with pytest.raises(InputError) as error:
            images_of(path)
        assert reason in str(error.value) and path.name in str(error.value), path


def test_a_clip_that_is_cut_short(tmp_path: Path) -> None:
    """Its index stands first and promises all frames."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=10, options={"qscale": "1"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(40):
            container.mux(stream.encode(av.VideoFrame.from_image(picture(number % 10))))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut short|damaged"):
        images_of(path)


def test_frames_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4")
    monkeypatch.setattr(videos, "MOST_PIXELS", 48 * 31)
    with pytest.raises(InputError, match="48 x 32 pixels, more than the limit"):
        images_of(path)


def test_names() -> None:
    assert is_video_name("a.MP4") and is_video_name("b.webm")
    assert not is_video_name(".a.mp4") and not is_video_name("a.png") and not is_video_name("mp4")
