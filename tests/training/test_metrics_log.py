"""metrics.csv has a row for every line of metrics.jsonl, and services get the same values."""

from __future__ import annotations

import csv
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from toy_task import STEPS, ToyBatches, run_toy, settings

from swinkit.errors import InputError
from swinkit.recipes import RECIPES
from swinkit.training.metrics_log import MetricsLog
from swinkit.training.run import train
from swinkit.training.run_folder import RunFolder


def rows(run: RunFolder) -> list[dict[str, str]]:
    with run.metrics_csv.open(newline="") as file:
        return list(csv.DictReader(file))


def assert_the_table_is_that_of_the_lines(run: RunFolder) -> None:
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    shown = [{name: value for name, value in row.items() if value != ""} for row in rows(run)]
    assert shown == [{name: str(value) for name, value in line.items() if value is not None} for line in lines]


def test_every_line_is_a_row_whenever_a_name_first_comes(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    log = MetricsLog(run, step=0)
    log.write(1, 1, {"train/loss": 2.5})
    assert run.metrics_csv.read_text() == "step,epoch,train/loss\n1,1,2.5\n"
    log.write(2, 1, {"train/loss": float("nan"), "train/lr": 0.1})
    log.write(2, 1, {"val/top1": 0.5})
    log.write(3, 2, {"train/loss": 2.0, "train/lr": 0.05})
    assert_the_table_is_that_of_the_lines(run)  # while the run goes on, too
    log.close()
    assert list(rows(run)[0]) == ["step", "epoch", "train/loss", "train/lr", "val/top1"]


def test_a_run_that_goes_on_has_the_rows_of_its_lines(tmp_path: Path) -> None:
    class Stopping(ToyBatches):
        def batches(self, start: int, stop: int) -> Any:
            yield from super().batches(start, STEPS + 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_toy(tmp_path, settings(), batches=Stopping())
    run = RunFolder(tmp_path)
    assert len(rows(run)) == STEPS + 1 + 3
    run.metrics_csv.write_text(run.metrics_csv.read_text()[:-7])  # cut off in the middle of a row
    _, run = run_toy(tmp_path, settings())
    assert_the_table_is_that_of_the_lines(run)
    assert len(rows(run)) == 2 * (STEPS + 1)


class FakeWandb(ModuleType):
    """What of wandb is used, and what it was told."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.begun: list[dict[str, Any]] = []
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.finished = 0
        self.fails_from = 10**6

    def init(self, **told: Any) -> Any:
        self.begun.append(told)
        return SimpleNamespace(id=told["id"] or f"id{len(self.begun)}", log=self.log, finish=self.finish)

    def log(self, values: dict[str, float], step: int) -> None:
        if step >= self.fails_from:
            raise ConnectionError("no network")
        self.logged.append((step, values))

    def finish(self) -> None:
        self.finished += 1


class FakeMlflow(ModuleType):
    """What of mlflow is used, and what it was told."""

    def __init__(self) -> None:
        super().__init__("mlflow")
        self.begun: list[dict[str, str]] = []
        self.params: dict[str, str] = {}
        self.logged: list[int] = []
        self.ended = 0

    def set_experiment(self, name: str) -> None:
        self.experiment = name

    def start_run(self, **told: str) -> Any:
        self.begun.append(told)
        return SimpleNamespace(info=SimpleNamespace(run_id="abc"))

    def log_params(self, params: dict[str, str]) -> None:
        self.params |= params

    def log_metrics(self, values: dict[str, float], step: int) -> None:
        self.logged.append(step)

    def end_run(self) -> None:
        self.ended += 1


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> tuple[FakeWandb, FakeMlflow]:
    for name in ("WANDB_PROJECT", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    found = FakeWandb(), FakeMlflow()
    for module in found:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return found


class StopInSecondEpoch(ToyBatches):
    def batches(self, start: int, stop: int) -> Any:
        yield from super().batches(start, STEPS + 2)
        raise KeyboardInterrupt


def test_services_get_every_line_and_a_run_that_goes_on_is_the_same_run(
    services: tuple[FakeWandb, FakeMlflow], tmp_path: Path
) -> None:
    wandb, mlflow = services
    told = settings(log=("wandb", "mlflow"))
    with pytest.raises(KeyboardInterrupt):
        run_toy(tmp_path / "my run", told, batches=StopInSecondEpoch())
    _, run = run_toy(tmp_path / "my run", told)
    first, second = wandb.begun
    assert (first["project"], first["name"], first["id"], first["resume"]) == ("swinkit", "my run", None, None)
    assert first["config"]["name"] == "toy"
    assert (second["id"], second["resume"]) == ("id1", "allow")
    assert (mlflow.experiment, mlflow.begun) == ("swinkit", [{"run_name": "my run"}, {"run_id": "abc"}])
    assert mlflow.params["name"] == "toy"
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    latest = {(step, "val/score" in values): values for step, values in wandb.logged}
    expected = {(line["step"], "val/score" in line): line for line in lines}
    assert latest == {key: {n: v for n, v in line.items() if n != "step"} for key, line in expected.items()}
    assert mlflow.logged == [step for step, _ in wandb.logged]
    assert wandb.finished == mlflow.ended == 2
    run_toy(tmp_path / "my run", told)  # finished: nothing to say
    assert len(wandb.begun) == 2


def test_another_run_in_the_place_of_one_that_came_to_nothing_is_another_run(
    services: tuple[FakeWandb, FakeMlflow], tmp_path: Path
) -> None:
    (tmp_path / "wandb.txt").write_text("id of before\n")
    run_toy(tmp_path, settings(log=("wandb",)))
    assert services[0].begun[0]["id"] is None
    assert (tmp_path / "wandb.txt").read_text() == "id1\n"


def test_a_service_that_fails_does_not_stop_a_run(
    services: tuple[FakeWandb, FakeMlflow], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    services[0].fails_from = 3
    with caplog.at_level(logging.WARNING):
        result, _ = run_toy(tmp_path, settings(log=("wandb",)))
    assert result.steps == 2 * STEPS
    assert [step for step, _ in services[0].logged] == [1, 2]
    assert caplog.messages == ["wandb takes no metrics any more (no network); the run goes on without."]


def test_a_service_that_wants_a_login_first_is_one_sentence(
    services: tuple[FakeWandb, FakeMlflow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise RuntimeError("api_key not configured (no-tty)\nmore")

    monkeypatch.setattr(services[0], "init", refuse)
    with pytest.raises(
        InputError, match=r"wandb does not take the run \(api_key not .*\); wandb login, or set WANDB_M"
    ):
        run_toy(tmp_path, settings(log=("wandb",)))


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_service_that_is_not_installed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    recipe = RECIPES["digits"]()
    recipe = replace(recipe, loop=replace(recipe.loop, log=(name,)))
    with pytest.raises(InputError, match=f"--log {name} needs the package {name}; install it with pip install {name}"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
