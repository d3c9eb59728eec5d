import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import swinkit
from swinkit.cli import main


@pytest.fixture
def folder(colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The colours with a green and a red image among the blue ones, and a red one twice."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "planted"
    shutil.copytree(colours, root)
    (root / "green" / "green03.png").rename(root / "blue" / "green.png")
    (root / "red" / "red03.png").rename(root / "blue" / "red.png")
    with Image.open(root / "red" / "red04.png") as image:
        image.resize((96, 80)).save(root / "red" / "again.jpg", quality=95)
    return root


def embedded(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main(["embed", *map(str, arguments), "--json", "--device", "cpu"]) == 0
    return json.loads(capsys.readouterr().out)


def test_features_accuracies_duplicates_and_wrong_labels(
    colours_run: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = embedded(capsys, colours_run, folder, "--to", "out/f.npz")
    stored = np.load("out/f.npz", allow_pickle=False)
    assert stored["features"].shape == (37, said["channels"]) and said["images"] == 37
    classifier = swinkit.open(colours_run, device="cpu")
    number = stored["images"].tolist().index(str(folder / "red" / "red00.png"))
    expected = classifier.embed(folder / "red" / "red00.png")[0]
    assert np.allclose(stored["features"][number], expected, atol=1e-4) and stored["labels"][number] == "red"
    embedded(capsys, colours_run, folder, "--to", "out/half.npz", "--precision", "bf16")
    half = np.load("out/half.npz", allow_pickle=False)["features"]
    assert 0 < np.linalg.norm(half - stored["features"]) < 0.02 * np.linalg.norm(stored["features"])
    assert said["classes"] == ["blue", "green", "red"]
    assert said["knn"]["accuracy"] > 0.8 and said["linear_probe"]["accuracy"] > 0.8 and said["model"]["accuracy"] > 0.8
    wrong = said["likely_wrong_labels"]
    assert {Path(each["image"]).name for each in wrong[:2]} == {"green.png", "red.png"}
    assert {each["suggested"] for each in wrong[:2]} == {"green", "red"}
    pairs = [{Path(path).name for path in pair["images"]} for pair in said["near_duplicates"]]
    assert {"again.jpg", "red04.png"} in pairs
    with Image.open("out/f.png") as picture:
        assert picture.width > 1200


def test_a_detector_s_features_of_a_folder_without_classes_as_text(
    objects_run: Path,
    objects: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flat").mkdir()
    for number in range(3):
        shutil.copy(objects_run / "sample.png", tmp_path / "flat" / f"{number}.png")
    (tmp_path / "flat" / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    assert main(["embed", str(objects_run), "flat", "--to", "f.csv", "--device", "cpu"]) == 2
    captured = capsys.readouterr()
    assert (
        "flat: 3 images" in captured.out and "nearly the same (1.000)" in captured.out and "nearest" not in captured.out
    )
    assert captured.err.splitlines()[-1].startswith("swinkit: flat/broken.jpg is not an image")
    assert len(Path("f.csv").read_text().splitlines()) == 4 and Path("f.png").is_file()


def test_input_that_cannot_be_used_is_one_sentence(
    colours_run: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: str) -> str:
        assert main(["embed", str(colours_run), *arguments]) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
        return line

    assert "written as .npz or .csv" in refused(str(folder), "--to", "f.txt")
    assert "is no folder" in refused(str(folder / "red" / "red00.png"), "--to", "f.npz")
    assert "--top must be at least 1" in refused(str(folder), "--to", "f.npz", "--top", "0")
    (folder / "red").rename(folder / "train")
    (folder / "blue").rename(folder / "val")
    assert "several splits of a data set; embed one at a time" in refused(str(folder), "--to", "f.npz")
    assert not Path("f.npz").exists()
