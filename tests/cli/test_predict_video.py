import json
from pathlib import Path
from typing import Any

import pytest
import small_predictors
from small_videos import picture, write_clip

from swinkit.cli import main
from swinkit.images import video as videos
from swinkit.images.video import open_video


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small model of each task."""
    folder = tmp_path_factory.mktemp("models")
    for task, make in small_predictors.OF_TASKS.items():
        make().save_pretrained(folder / task)
    return {task: folder / task for task in small_predictors.OF_TASKS}


def rows_of(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation"])
def test_film_and_lines(task: str, models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(Path("clip.mp4"), frames=4, rate=5)
    more = ("--threshold", "0.0") if task == "detection" else ()
    assert main(["predict", str(models[task]), "clip.mp4", "--out", "out", *more, "--device", "cpu"]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["clip.jsonl", "clip.mp4"]
    printed = capsys.readouterr().out
    assert "4 frames, 0.8 s" in printed and "out/clip.mp4" in printed and "out/clip.jsonl" in printed
    rows = rows_of("out/clip.jsonl")
    assert [row["frame"] for row in rows] == [0, 1, 2, 3]
    assert [row["seconds"] for row in rows] == [0.0, 0.2, 0.4, 0.6]
    key = {"classification": "predictions", "detection": "objects", "segmentation": "shares"}[task]
    assert all(row[key] for row in rows)
    with open_video(Path("out/clip.mp4")) as video:
        assert video.rate == 5 and video.count == 4
        drawn = [frame.image for frame in video.frames()]
    assert all(image.size == (48, 32) for image in drawn)
    assert drawn[2].tobytes() != picture(2).tobytes()


def test_json_draws_nothing(models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(Path("clip.mp4"), frames=3)
    picture(0).save("image.png")
    assert main(["predict", str(models["classification"]), "image.png", "clip.mp4", "--json"]) == 0
    image, video = json.loads(capsys.readouterr().out)
    assert image["image"] == "image.png" and video == {
        "video": "clip.mp4",
        "frames": 3,
        "results": "predictions/clip.jsonl",
    }
    assert [path.name for path in Path("predictions").iterdir()] == ["clip.jsonl"]
    # What is said of a frame is what is said of an image of it.
    with open_video(Path("clip.mp4")) as opened:
        next(opened.frames()).image.save("first.png")
    assert main(["predict", str(models["classification"]), "first.png", "--json"]) == 0
    (alone,) = json.loads(capsys.readouterr().out)
    assert rows_of(video["results"])[0]["predictions"] == alone["predictions"]


def test_patterns_and_names(models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        Path(name).mkdir()
        write_clip(Path(name) / "x.mp4", frames=2)
        write_clip(Path(name) / "x.mkv", frames=2)
    (Path("a") / "notes.txt").touch()
    assert main(["predict", str(models["classification"]), "a/x.*", "b/*.mp4", "--json"]) == 0
    names = [Path(row["results"]).name for row in json.loads(capsys.readouterr().out)]
    assert sorted(names) == ["a_x.jsonl", "a_x_2.jsonl", "b_x.jsonl"]


def test_a_broken_video_leaves_nothing(models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    whole = write_clip(Path("clip.mp4"), frames=30).read_bytes()
    Path("broken.mp4").write_bytes(whole[:700])
    assert main(["predict", str(models["classification"]), "broken.mp4"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("swinkit: broken.mp4 is no video that can be read")
    assert not Path("predictions").exists() or not list(Path("predictions").iterdir())
    # One does not end the rest.
    assert main(["predict", str(models["classification"]), "broken.mp4", "clip.mp4", "gone.mp4"]) == 2
    assert "2 of 3" in capsys.readouterr().err and Path("predictions/clip.mp4").is_file()


def test_without_pyav(models: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    Path("clip.mp4").touch()
    monkeypatch.setattr(videos, "find_spec", lambda name: None)
    assert main(["predict", str(models["classification"]), "clip.mp4"]) == 2
    assert capsys.readouterr().err == (
        "swinkit: clip.mp4 is a video, which needs PyAV; install it with pip install 'swinkit[video]'\n"
    )


def test_no_more_than_a_frame_is_held(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The next frame is read when the last one is written."""
    events: list[str] = []
    read, write = videos.Video.frames, videos._Writer.write

    def frames(self: videos.Video) -> Any:
        for frame in read(self):
            events.append("read")
            yield frame

    def written(self: Any, frame: videos.Frame, image: Any) -> None:
        events.append("write")
        write(self, frame, image)

    monkeypatch.setattr(videos.Video, "frames", frames)
    monkeypatch.setattr(videos._Writer, "write", written)
    write_clip(Path("clip.mp4"), frames=5)
    assert main(["predict", str(models["classification"]), "clip.mp4"]) == 0
    assert events == ["read", "write"] * 5
