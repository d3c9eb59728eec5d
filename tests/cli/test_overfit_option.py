"""swinkit train RECIPE --overfit N: a run like any other, that ends with a sentence."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import sessions
from run_results import assert_same_run

from swinkit.training.checkpoints import load_checkpoint

COMMANDS = {
    "classification": ("train", "digits", *sessions.TINY, "--evaluate-every", "1"),
    "segmentation": ("train", "digit_scenes_segmentation", *sessions.TINY_SCENES),
    "detection": ("train", "coco_mask_rcnn_swin_t_1x", *sessions.TINY_DIGIT_OBJECTS),
}
"""Of an epoch of 50 steps each."""


@pytest.mark.parametrize("task", COMMANDS)
def test_every_task_says_whether_it_learned(task: str, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    arguments = [*COMMANDS[task], "--overfit", "4", "--run-dir", str(run)]
    assert sessions.run(arguments, log) == 0, log.read_text()
    said = log.read_text()
    assert "4 images to train on, 4 to validate on" in said and "of 50 steps" in said
    assert said.rstrip().splitlines()[-1].startswith("The 4 images are ")
    assert sessions.run(arguments, log) == 0
    assert "This run was finished before" in log.read_text()
    assert said.rstrip().splitlines()[-1] == log.read_text().rstrip().splitlines()[-1]
    assert sessions.run([*COMMANDS[task], "--run-dir", str(run)], log) == 2
    assert "holds a run with other values" in log.read_text()


def test_digits_are_learned_and_a_killed_run_goes_on(tmp_path: Path) -> None:
    log, whole, parts = tmp_path / "log", tmp_path / "whole", tmp_path / "parts"
    arguments = [*COMMANDS["classification"], "--overfit", "6", "--epochs", "3", "--evaluate-every", "2"]
    arguments += ["--checkpoint-every", "5"]
    assert sessions.run([*arguments, "--run-dir", str(whole)], log) == 0, log.read_text()
    assert "The 6 images are learned (top-1 100.0 %): data and model fit together." in log.read_text()
    assert "Stopped after step 100 of 150: nothing is left to learn." in log.read_text()
    process = sessions.start([*arguments, "--run-dir", str(parts)], log)
    while not (parts / "checkpoint.pt").exists():
        assert process.is_alive(), log.read_text()
        time.sleep(0.01)
    process.kill()
    process.join()
    state = load_checkpoint(parts / "checkpoint.pt")
    assert state is not None and state["step"] < 100
    assert sessions.run([*arguments, "--run-dir", str(parts)], log) == 0, log.read_text()
    assert "Going on after step" in log.read_text()
    assert_same_run(whole, parts)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (["0"], "--overfit 0 leaves nothing to learn"),
        (["-3"], "--overfit takes the number of images to learn by heart, such as 8, not -3"),
        (["many"], "not many"),
        ([], "say which: --overfit N"),
        (["5000"], "--overfit 5000 asks for more images than the"),
    ],
)
def test_a_bad_number_is_one_sentence(value: list[str], sentence: str, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    assert sessions.run(["train", "digits", "--run-dir", str(run), "--overfit", *value], log) == 2
    (line,) = log.read_text().splitlines()
    assert sentence in line and not run.exists()
