"""The script that trains beside timm, for two steps: the same model, and a file with both curves."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from image_folders import write_classes

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
beside = pytest.importorskip("finetune_beside_timm", reason="needs timm")


def test_two_steps_of_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for part, count in (("train", 6), ("val", 2)):
        write_classes(tmp_path / "data" / part, {"a": count, "b": count})
    original = beside.recipe_of

    def small(*given: object) -> object:
        recipe = original(*given)
        return beside.replace(recipe, loop=beside.replace(recipe.loop, batch_size=4, workers=0))

    monkeypatch.setattr(beside, "recipe_of", small)
    beside.main(["--data", str(tmp_path / "data"), "--steps", "2", "--threads", "1", "--out", str(tmp_path / "out")])
    (out,) = (tmp_path / "out").iterdir()
    runs = json.loads(out.read_text())["runs"]
    assert [run["kind"] for run in runs] == ["swinkit", "timm"]
    assert all(0 <= run["points"][-1]["top1"] <= 1 and run["points"][-1]["minutes"] > 0 for run in runs)
    assert "seed 0" in capsys.readouterr().out


def test_the_models_are_the_same() -> None:
    from swinkit import SwinClassifier, load_weights

    recipe = beside.RECIPES["finetune_small"]()
    theirs = beside.timm_model(recipe, 10)
    ours = SwinClassifier(recipe.backbone, num_classes=10)
    report = load_weights(ours, theirs.state_dict())
    assert not report.missing and not report.resized


def test_epochs_that_fit() -> None:
    assert beside.fitting(15, seconds=1.0, steps=31).epochs == 27
    assert beside.fitting(0.01, seconds=1.0, steps=31).epochs == 1
