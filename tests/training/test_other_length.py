"""A run that goes on with another length, and one that ends early because nothing gets better."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from run_results import assert_same_run, metrics
from toy_task import ONE, STEPS, ToyBatches, ToyTask, settings

from swinkit.errors import InputError
from swinkit.training.checkpoints import load_checkpoint
from swinkit.training.loop import TrainingResult, TrainingSettings, run_loop
from swinkit.training.run_folder import open_run_folder
from swinkit.training.settings import ScheduleSettings


def run(
    folder: Path, told: TrainingSettings, *, task: ToyTask | None = None, batches: ToyBatches | None = None
) -> TrainingResult:
    """Train, or go on, in a folder that knows what the run was told."""
    opened = open_run_folder(folder, json.loads(json.dumps({"name": "toy", "loop": asdict(told.loop)})))
    task = task or ToyTask()
    task.batches = batches or ToyBatches()
    return run_loop(task, told, opened, ONE)


class Killed(ToyBatches):
    """No batch from step `last` on."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def batches(self, start: int, stop: int) -> Any:
        yield from super().batches(start, min(stop, self.last))
        raise KeyboardInterrupt


def rates(folder: Path) -> list[float]:
    return [line["train/lr"] for line in metrics(folder) if "train/lr" in line]


CONSTANT = ScheduleSettings(decay="constant", warmup_steps=2)


def test_a_finished_run_goes_on_at_the_rates_of_the_longer_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "long", settings(epochs=4))
    run(tmp_path / "run", settings(epochs=2))
    capsys.readouterr()
    result = run(tmp_path / "run", settings(epochs=4))
    assert (result.steps, result.steps_now) == (4 * STEPS, 2 * STEPS)
    assert rates(tmp_path / "run")[2 * STEPS :] == rates(tmp_path / "long")[2 * STEPS :]
    last, following = rates(tmp_path / "run")[2 * STEPS - 1 : 2 * STEPS + 1]
    assert following > 5 * last
    assert (
        "The run has 20 steps in all, and no longer 10: from here on the learning rate is that of a run of 20 steps, "
        f"{following:.3g} in the next step and {last:.3g} in the last."
    ) in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["loop"]["epochs"] == 4
    assert run(tmp_path / "run", settings(epochs=4)).steps_now == 0


def test_at_a_constant_rate_it_is_the_longer_run(tmp_path: Path) -> None:
    told = [replace(settings(epochs=epochs), schedule=CONSTANT) for epochs in (2, 4)]
    run(tmp_path / "long", told[1])
    for each in told:
        run(tmp_path / "run", each)
    assert_same_run(tmp_path / "long", tmp_path / "run")


@pytest.mark.parametrize("longer", [{"epochs": 5}, {"epochs": 2, "steps": 23}], ids=str)
def test_a_longer_run_that_is_killed_ends_like_one_that_is_not(longer: dict[str, int], tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        run(tmp_path / name, settings(epochs=2))
    told = settings(**longer, checkpoint_every=2)
    told = replace(told, loop=replace(told.loop, checkpoint_every=None))
    run(tmp_path / "whole", told)
    for last in (2 * STEPS + 1, 3 * STEPS + 2):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", told, batches=Killed(last))
    run(tmp_path / "parts", told)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_an_unfinished_run_may_become_longer_or_shorter(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, settings(epochs=40), batches=Killed(STEPS + 2))
    assert run(tmp_path, settings(epochs=3)).steps == 3 * STEPS


def test_fewer_steps_than_were_made(tmp_path: Path) -> None:
    run(tmp_path, settings(epochs=3))
    message = (
        r"has made 15 steps already, and is told to make 10; raise --epochs or --steps, or choose another --run-dir"
    )
    with pytest.raises(InputError, match=message):
        run(tmp_path, settings(epochs=2))
    assert json.loads((tmp_path / "recipe.json").read_text())["loop"]["epochs"] == 3


def test_other_values_still_part_a_run_from_its_folder(tmp_path: Path) -> None:
    run(tmp_path, settings(epochs=1))
    with pytest.raises(InputError, match=r"other values \(loop.seed was 0, now 1\); choose another"):
        run(tmp_path, settings(epochs=2, seed=1))


SCORES = [0.1, 0.5, 0.5, 0.4, 0.6, 0.2, 0.3, 0.7]


def test_a_run_without_progress_ends_and_says_why(tmp_path: Path) -> None:
    result = run(tmp_path, settings(epochs=8, patience=2), task=ToyTask(SCORES))
    assert (result.steps, result.best) == (4 * STEPS, 0.5)
    assert result.stopped == (
        "Stopped early after step 20 of 40: score has not risen above 50.00 % in 2 evaluations (--patience 2); the "
        "same command with a larger --patience goes on."
    )
    again = run(tmp_path, settings(epochs=8, patience=2), task=ToyTask([]))
    assert (again.steps_now, again.stopped) == (0, result.stopped)


@pytest.mark.parametrize("patience", [3, None])
def test_more_patience_goes_on_as_if_there_had_been_more_from_the_start(patience: int | None, tmp_path: Path) -> None:
    run(tmp_path / "whole", settings(epochs=8, patience=patience), task=ToyTask(SCORES))
    run(tmp_path / "parts", settings(epochs=8, patience=2), task=ToyTask(SCORES))
    run(tmp_path / "parts", settings(epochs=8, patience=patience), task=ToyTask(SCORES[4:]))
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_run_that_goes_on_keeps_the_count(tmp_path: Path) -> None:
    told = settings(epochs=8, patience=2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, told, task=ToyTask(SCORES), batches=Killed(3 * STEPS + 1))
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert state is not None and state["stale"] == 1
    assert run(tmp_path, told, task=ToyTask(SCORES[3:])).steps == 4 * STEPS


def test_patience_that_lasts_changes_nothing(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", settings(epochs=4), task=ToyTask(SCORES))
    patient = run(tmp_path / "patient", settings(epochs=4, patience=3), task=ToyTask(SCORES))
    assert plain == patient and patient.stopped is None
    nan = float("nan")
    assert run(tmp_path / "nan", settings(epochs=8, patience=2), task=ToyTask([nan] * 8)).steps == 3 * STEPS
    assert run(tmp_path / "late", settings(epochs=3, patience=2), task=ToyTask([nan, nan, 0.1])).stopped is None
