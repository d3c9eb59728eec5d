import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from swinkit.cli import main

pytest.importorskip("pytorch_grad_cam", reason="needs pip install 'swinkit[explain]'")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def explained(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    """What `swinkit explain --json` says."""
    assert main(["explain", *map(str, arguments), "--json", "--device", "cpu"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one sentence that `swinkit explain` ends with."""
    assert main(["explain", *map(str, arguments)]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
    assert line.startswith("swinkit: ")
    return line


def test_a_classifier_s_class_as_picture_and_as_json(
    colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = colours / "red" / "red00.png"
    assert main(["explain", str(colours_run), str(image), "--out", "why"]) == 0
    text = capsys.readouterr().out.splitlines()
    assert text[0] == str(image) and text[1].startswith("  red 0.") and "picture: why/red_red00.png" in text[2]
    with Image.open("why/red_red00.png") as picture:
        assert picture.width > 400  # the image and a map beside it
    (row,) = explained(capsys, colours_run, image, "--classes", "blue", "green", "--out", "none")
    assert row["image"] == str(image) and [each["class"] for each in row["maps"]] == ["blue", "green"]
    with Image.open(image) as opened:
        for each in row["maps"]:
            assert each["peak"] is None or (
                0 <= each["peak"][0] <= opened.width and 0 <= each["peak"][1] <= opened.height
            )
    assert not Path("none").exists()


def test_pictures_go_into_the_folder_of_the_run_which_its_gitignore_leaves_out(
    colours_run: Path, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["explain", str(colours_run), str(colours / "red" / "red00.png"), "--place", "20", "20"]) == 0
    assert (colours_run / "explanations" / "red_red00.png").is_file()
    assert "explanations/" in (colours_run / ".gitignore").read_text().splitlines()
    assert not list(Path().iterdir())


def test_single_detections(objects_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = objects_run / "sample.png"
    (row,) = explained(capsys, objects_run, image, "--threshold", "0", "--top", "2", "--method", "layercam")
    assert len(row["maps"]) == 2 and row["method"] == "layercam"
    for each in row["maps"]:
        assert len(each["box"]) == 4 and 0 <= each["score"] <= 1 and each["stride"] in (4, 8, 16, 32)


def test_segmented_classes(masks_run: Path, masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = masks / "images/val/val00.png"
    (row,) = explained(capsys, masks_run, image, "--top", "2")
    assert 1 <= len(row["maps"]) <= 2 and row["maps"][0]["score"] >= row["maps"][-1]["score"]


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation"])
def test_in_bf16_nearly_the_same_is_seen(
    task: str, colours_run: Path, colours: Path, objects_run: Path, masks_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, image = {
        "classification": (colours_run, colours / "red" / "red00.png"),
        "detection": (objects_run, objects_run / "sample.png"),
        "segmentation": (masks_run, masks_run / "sample.png"),
    }[task]
    options = ("--threshold", "0", "--top", "1") if task == "detection" else ("--top", "1")
    (exact,) = explained(capsys, run, image, *options)
    (rounded,) = explained(capsys, run, image, *options, "--precision", "bf16")
    (before,), (after,) = exact["maps"], rounded["maps"]
    assert before["class"] == after["class"] and abs(before["score"] - after["score"]) < 0.02
    assert before["score"] != after["score"] or task == "segmentation", "whose score is a share of pixels"
    assert np.hypot(*np.subtract(before["peak"], after["peak"])) < 16


def test_what_a_place_attends_to(colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = colours / "red" / "red00.png"
    (row,) = explained(capsys, colours_run, image, "--place", "24", "20", "--stage", "0")
    assert row["place"] == [24, 20] and {block["stage"] for block in row["blocks"]} == {0}
    line = refused(capsys, colours_run, image, "--place", "1000", "20")
    assert "the place 1000, 20 lies outside" in line


def test_input_that_cannot_be_used_is_one_sentence(
    colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = colours / "red" / "red00.png"
    assert "no class 'purple'; it has blue, green, red" in refused(capsys, colours_run, image, "--classes", "purple")
    assert "--top must be at least 1" in refused(capsys, colours_run, image, "--top", "0")
    assert "leave --classes out" in refused(capsys, colours_run, image, "--place", "1", "1", "--classes", "red")
    assert "stage is 0 to" in refused(capsys, colours_run, image, "--stage", "9")
    Path("model.onnx").touch()
    assert "needs the checkpoint, and model.onnx is an exported file" in refused(capsys, "model.onnx", image)
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    assert main(["explain", str(colours_run), "broken.jpg", str(image), "--out", "why"]) == 2
    assert "broken.jpg is not an image" in capsys.readouterr().err and Path("why/red_red00.png").is_file()
