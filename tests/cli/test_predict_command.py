import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from swinkit.cli import main


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def predicted(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    """What `swinkit predict --json` says."""
    assert main(["predict", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one sentence that `swinkit predict` ends with."""
    assert main(["predict", *map(str, arguments)]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
    assert line.startswith("swinkit: ")
    return line


def test_table_and_picture(colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = colours / "red" / "red00.png"
    assert main(["predict", str(colours_run), str(image), "--top", "2", "--out", "predictions"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == str(colours / "red" / "red00.png")
    names = [line.split()[0] for line in text.splitlines()[2:4]]
    assert names[0] == "red" and len(set(names)) == 2 and names[1] in ("blue", "green")
    assert "picture: predictions/red_red00.png" in text
    with Image.open("predictions/red_red00.png") as picture:
        assert picture.width > 300


def test_json(colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [colours / name / f"{name}05.png" for name in ("blue", "green", "red")]
    results = predicted(capsys, colours_run / "last.safetensors", *paths, "--out", "none")
    assert [result["image"] for result in results] == [str(path) for path in paths]
    assert [result["predictions"][0]["class"] for result in results] == ["blue", "green", "red"]
    for result in results:
        probabilities = [row["probability"] for row in result["predictions"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1.0, abs=1e-5)
    assert not Path("none").exists()


def test_bf16_tells_what_it_gains_and_changes(
    colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(colours / "red" / "red00.png")
    assert main(["predict", str(colours_run), image, "--json", "--precision", "bf16", "--device", "cpu"]) == 0
    half = capsys.readouterr()
    assert re.search(r"bf16 is \d+\.\d\d times as fast .* the class is the same in 1, and probabilities", half.err)
    (plain,) = predicted(capsys, colours_run, image, "--device", "cpu")
    (row,) = json.loads(half.out)
    assert row["predictions"][0]["class"] == plain["predictions"][0]["class"]
    assert row["predictions"][0]["probability"] == pytest.approx(plain["predictions"][0]["probability"], abs=0.05)
    assert row["predictions"] != plain["predictions"]


def test_programs_are_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.pt2").write_bytes(b"PK\x03\x04" + bytes(100))
    assert "model.pt2 is a PyTorch program" in refused(capsys, tmp_path / "model.pt2", "a.png")


def test_folder_and_images_of_the_same_name(
    colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for parent in ("a", "b"):
        (Path(parent) / "same").mkdir(parents=True)
        for ending in ("png", "jpg"):
            Image.new("RGB", (40, 40), "red").save(Path(parent) / "same" / f"x.{ending}")
    Path("a/same/notes.txt").touch()
    assert main(["predict", str(colours_run), "a/same", "b/same", "--out", "out"]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [f"same_x{n}.png" for n in ("", "_2", "_3", "_4")]
    assert capsys.readouterr().out.count("picture: ") == 4


def test_one_corrupt_image_among_good_ones(
    colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    good = [colours / "red" / "red01.png", colours / "blue" / "blue01.png"]
    arguments = ["predict", str(colours_run), str(good[0]), "broken.jpg", "missing.png", str(good[1])]
    arguments += ["--out", "predictions"]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out.count("picture: ") == 2
    first, second, last = captured.err.splitlines()
    assert first.startswith("  broken.jpg is not an image") and "there is no image missing.png" in second
    assert last == "swinkit: 2 of 4 images have no result, for the reasons above"
    assert main([*arguments, "--json"]) == 2
    assert [result["image"] for result in json.loads(capsys.readouterr().out)] == [str(path) for path in good]


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def test_files_that_hold_no_classifier(colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = colours / "red" / "red00.png"
    torch.save({"model": Malicious()}, "malicious.pt")
    Path("malicious.pkl").write_bytes(pickle.dumps(Malicious()))
    torch.save({"fc.weight": torch.zeros(3, 3)}, "other.pt")
    save_file({"conv1.weight": torch.zeros(3, 3)}, "other.safetensors")
    Path("cut.safetensors").write_bytes((colours_run / "best.safetensors").read_bytes()[:5000])
    Path("empty").touch()
    Path("folder").mkdir()
    assert "swinkit will not execute" in refused(capsys, "malicious.pt", image)
    assert "swinkit will not execute" in refused(capsys, "malicious.pkl", image)
    assert not Path("executed").exists()
    assert "other.pt holds no classifier" in refused(capsys, "other.pt", image)
    assert "other.safetensors holds no classifier" in refused(capsys, "other.safetensors", image)
    assert "cut.safetensors" in refused(capsys, "cut.safetensors", image)
    assert "empty" in refused(capsys, "empty", image)
    assert "the folder folder holds no best.safetensors" in refused(capsys, "folder", image)
    assert "missing is neither a file nor the name" in refused(capsys, "missing", image)
    assert f"its model is {colours_run / 'best.safetensors'}, give that" in refused(
        capsys, colours_run / "checkpoint.pt", image
    )


def test_names_are_printed_as_they_are(colours_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (40, 40), "red").save("[bold]:cat:.png")
    assert main(["predict", str(colours_run), "[bold]:cat:.png", "--out", "predictions"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("[bold]:cat:.png\n") and "picture: predictions/[bold]:cat:.png" in text


def test_nothing_to_look_at(colours_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "name at least one image" in refused(capsys, colours_run)
    Path("nothing").mkdir()
    assert "the folder nothing holds no image" in refused(capsys, colours_run, "nothing")
    assert "--top must be at least 1" in refused(capsys, colours_run, "x.png", "--top", "0")
    if os.geteuid() != 0:  # root may read anything
        Path("closed").mkdir(mode=0)
        assert "cannot read the folder closed" in refused(capsys, colours_run, "closed")


def test_no_room_for_the_picture(colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").touch()
    assert "cannot write" in refused(capsys, colours_run, colours / "red" / "red00.png", "--out", "out")


def test_one_bad_item_does_not_end_the_rest(
    colours_run: Path, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, other = colours / "red" / "red00.png", colours / "blue" / "blue00.png"
    long = tmp_path / f"{'x' * 250}.png"
    long.write_bytes(good.read_bytes())
    (tmp_path / "predictions" / "red_red00.png").mkdir(parents=True)  # a picture that cannot be written
    images = [str(path) for path in (good, long, tmp_path / ("y" * 300 + ".png"), other)]
    assert main(["predict", str(colours_run), *images, "--out", "predictions"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "Is a directory" in lines[0] and "File name too long" in lines[1] and "yyy" in lines[2]
    assert lines[3:] == ["swinkit: 3 of 4 images have no result, for the reasons above"]
    assert (tmp_path / "predictions" / "blue_blue00.png").is_file()
    assert not [path.name for path in (tmp_path / "predictions").iterdir() if path.name.startswith(".")]


def test_pictures_go_into_the_folder_of_the_run(colours_run: Path, colours: Path, tmp_path: Path) -> None:
    """Which git leaves out; those of a model that is of no run go into this folder."""
    image = str(colours / "red" / "red00.png")
    alone = tmp_path / "models" / "swin.safetensors"
    alone.parent.mkdir()
    alone.write_bytes((colours_run / "best.safetensors").read_bytes())
    run = tmp_path / "run"
    run.mkdir()
    for name in ("best.safetensors", "recipe.json", ".gitignore"):
        (run / name).write_bytes((colours_run / name).read_bytes())
    for checkpoint in (run, run / "best.safetensors", alone):
        assert main(["predict", str(checkpoint), image]) == 0
        assert main(["evaluate", str(checkpoint), "--data", str(colours), "--workers", "0"]) == 0
    assert [path.name for path in (run / "predictions").iterdir()] == ["red_red00.png"]
    assert (run / "evaluation" / "confusion.png").is_file()
    assert Path("predictions/red_red00.png").is_file() and Path("evaluation/swin/confusion.png").is_file()
    left_out = (run / ".gitignore").read_text().splitlines()
    assert {"predictions/", "evaluation/", "*.onnx", "*.pt2", "*.safetensors", "checkpoint.pt"} <= set(left_out)
