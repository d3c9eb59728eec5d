import json
import re
from pathlib import Path
from typing import Any

import pytest
import sessions
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from swinkit.classification.predictor import Classifier
from swinkit.cli import main
from swinkit.weights.model_file import read_model_file


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """What `swinkit evaluate --json` says."""
    capsys.readouterr()
    assert main(["evaluate", *map(str, arguments), "--json", "--device", "cpu", "--workers", "0"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("fixture", ["digits_run", "colours_run"])
def test_repeats_the_result_of_the_training_on_the_same_images(
    fixture: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a word about data: the split, its share and the preprocessing are in the file."""
    run = request.getfixturevalue(fixture)
    results = evaluated(capsys, run)
    trained = (read_model_file(run).description or {})["results"]
    assert results["top1"] == trained["val/top1"]
    assert results["loss"] == pytest.approx(trained["val/loss"], rel=1e-5)
    assert results["images"] == {"digits_run": 359, "colours_run": 9}[fixture]
    assert len(results["per_class"]) == {"digits_run": 10, "colours_run": 3}[fixture]
    for picture in results["pictures"]:
        with Image.open(picture) as image:
            image.verify()


def test_scales_and_flip(colours_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, several = evaluated(capsys, colours_run), evaluated(capsys, colours_run, "--scales", 40, 48, "--flip")
    assert several["images"] == 9 and several["loss"] != plain["loss"]
    assert several["loss"] == pytest.approx(plain["loss"], abs=0.3)
    assert main(["evaluate", str(colours_run), "--scales", "16", "--device", "cpu"]) == 2
    assert "too few to cut out" in capsys.readouterr().err


def test_what_bf16_changes(
    colours_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[torch.Tensor] = []
    logits = Classifier.logits

    def seen(classifier: Classifier, images: torch.Tensor) -> torch.Tensor:
        found = logits(classifier, images)
        given.append(found)
        return found

    monkeypatch.setattr(Classifier, "logits", seen)
    common = ["evaluate", str(colours_run), "--device", "cpu", "--workers", "0", "--out", "seen"]
    assert main([*common, "--precision", "bf16", "--compare"]) == 0
    lines = capsys.readouterr().out.splitlines()
    fp32, bf16 = lines[lines.index("--- fp32 ---") + 1], lines[lines.index("--- bf16 ---") + 1]
    first, second = (float(re.findall(r"top-1 ([\d.]+) %", line)[0]) for line in (fp32, bf16))
    assert lines[-1] == f"bf16 against fp32, in points: top-1 {second - first:+.2f}"
    assert 0 < (given[0] - given[1]).abs().max() < 0.05, "both were measured in one precision"
    assert {each.name for each in Path("seen").iterdir()} == {"fp32", "bf16"}
    for wrong in (["--compare"], ["--precision", "bf16", "--compare", "--json"]):
        assert main([*common, *wrong]) == 2
        assert "--compare prints in words what --precision bf16 changes" in " ".join(capsys.readouterr().err.split())


def test_table(colours_run: Path, colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "evaluate",
        str(colours_run / "last.safetensors"),
        "--data",
        str(colours),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert text.startswith("9 images: top-1 ") and "top-5" not in text
    assert "green" in text and str(tmp_path / "out" / "confusion.png") in text
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"confusion.png", "predictions.png"}


def test_precision_recall_and_f1(colours_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = evaluated(capsys, colours_run)
    assert list(results["macro"]) == ["precision", "recall", "f1"]
    for name, mean in results["macro"].items():
        assert list(results[name]) == ["blue", "green", "red"]
        assert mean == pytest.approx(sum(results[name].values()) / 3)
    assert results["recall"] == results["per_class"]
    assert main(["evaluate", str(colours_run), "--device", "cpu", "--workers", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("mean of the classes: precision ") and ", F1 " in lines[1]
    assert lines[2].split() == ["class", "images", "precision", "%", "recall", "%", "F1", "%"]
    assert lines[3].split()[:2] == ["blue", "3"]


def test_finds_the_data_of_the_training_from_elsewhere_and_where_both_were_moved(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project, moved, other = tmp_path / "project", tmp_path / "moved" / "there", tmp_path / "other"
    for folder in (project, other, moved.parent):
        folder.mkdir()
    (project / "photos").symlink_to(colours)
    monkeypatch.chdir(project)
    arguments = ["train", "finetune", *sessions.TINY_FINETUNE, "--epochs", "1", "--data", "photos"]
    assert main([*arguments, "--run-dir", "runs/deep/er"]) == 0
    assert json.loads((project / "runs/deep/er/recipe.json").read_text())["data"] == "photos"
    monkeypatch.chdir(other)
    for checkpoint in (project / "runs/deep/er", "../project/runs/deep/er/last.safetensors"):
        assert evaluated(capsys, checkpoint)["images"] == 6
    project.rename(moved)
    assert evaluated(capsys, moved / "runs/deep/er")["images"] == 6
    (moved / "photos").unlink()
    assert main(["evaluate", str(moved / "runs/deep/er"), "--device", "cpu"]) == 2
    assert capsys.readouterr().err == (
        "swinkit: the data of the training, photos, are not where they were; say where the labelled images are, with "
        "--data DIR\n"
    )
    assert evaluated(capsys, moved / "runs/deep/er", "--data", colours)["images"] == 6


def test_part_of_a_folder(colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluated(capsys, colours_run, "--part", "all")["images"] == 36
    (Path("some") / "val").mkdir(parents=True)
    (Path("some") / "val" / "red").symlink_to(colours / "red")
    results = evaluated(capsys, colours_run, "--data", "some")
    assert results["images"] == 12
    assert [name for name, value in results["per_class"].items() if value is None] == ["blue", "green"]


def test_corrupt_image(colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("data") / "red"
    folder.mkdir(parents=True)
    for number, image in enumerate(sorted((colours / "red").iterdir())[:3]):
        (folder / image.name).write_bytes(image.read_bytes() if number else b"")
    arguments = ["evaluate", str(colours_run), "--data", "data", "--part", "all", "--workers", "0"]
    assert main(arguments) == 2
    assert "red00.png is empty (0 bytes)" in capsys.readouterr().err
    assert main([*arguments, "--on-corrupt", "skip"]) == 0
    assert capsys.readouterr().out.startswith("3 images: top-1 of 1 of 3 classes ")


def test_unknown_class_folder(colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    (Path("data") / "violet").symlink_to(colours / "red")
    assert main(["evaluate", str(colours_run), "--data", "data", "--part", "all"]) == 2
    assert "the class 'violet'" in capsys.readouterr().err


def test_weights_that_do_not_name_their_classes_number_the_folders(
    colours_run: Path, colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As published ImageNet weights are evaluated on folders called n01440764 and so on."""
    save_file(load_file(colours_run / "best.safetensors"), "foreign.safetensors")
    Path("data").mkdir()
    for number, name in enumerate(("blue", "green", "red")):
        (Path("data") / f"n0{number}").symlink_to(colours / name)
    results = evaluated(capsys, "foreign.safetensors", "--data", "data", "--part", "all")
    assert results["images"] == 36 and list(results["per_class"]) == ["0", "1", "2"]
    (Path("data") / "n03").symlink_to(colours / "red")
    assert main(["evaluate", "foreign.safetensors", "--data", "data", "--part", "all"]) == 2
    assert "the class 'n00'" in capsys.readouterr().err


def test_without_data(colours_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(load_file(colours_run / "best.safetensors"), "foreign.pt")
    assert main(["evaluate", "foreign.pt"]) == 2
    assert "say where the labelled images are, with --data DIR" in capsys.readouterr().err
