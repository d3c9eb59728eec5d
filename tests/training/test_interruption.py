"""Signals to this very process while a toy task trains; programs of their own in tests/hostile/runs.py."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sessions
import torch
from run_results import assert_same_run
from toy_task import STEPS, ToyBatches, ToyTask, run_toy, settings

from swinkit.errors import InputError
from swinkit.files import written_whole
from swinkit.training import metrics_log
from swinkit.training.checkpoints import load_checkpoint, save_checkpoint
from swinkit.training.interruption import Interrupted
from swinkit.training.loop import run_loop
from swinkit.training.metrics_log import MetricsLog
from swinkit.training.processes import Processes, joined_processes
from swinkit.training.run_folder import RunFolder, open_run_folder

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignallingBatches(ToyBatches):
    """Sends this process a signal before the batch of step `at`."""

    def __init__(self, number: signal.Signals, *, at: int, times: int = 1) -> None:
        super().__init__()
        self.number, self.at, self.times = number, at, times

    def batches(self, start: int, stop: int) -> Iterator[Any]:
        for step, batch in enumerate(super().batches(start, stop), start):
            if step == self.at:
                for _ in range(self.times):
                    os.kill(os.getpid(), self.number)
            yield batch


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("at", [0, 2, STEPS - 1, STEPS, 3 * STEPS - 1])
def test_a_run_saves_after_the_step_and_goes_on_bit_for_bit(number: signal.Signals, at: int, tmp_path: Path) -> None:
    told = settings(epochs=3)
    _, whole = run_toy(tmp_path / "whole", told)
    handler = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught:
        run_toy(tmp_path / "run", told, batches=SignallingBatches(number, at=at))
    assert caught.value.code == 128 + number
    assert signal.getsignal(number) == handler
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state is not None and state["step"] == at + 1
    _, run = run_toy(tmp_path / "run", told)
    assert_same_run(whole.root, run.root)


def test_a_due_evaluation_is_left_to_the_run_that_goes_on(tmp_path: Path) -> None:
    task = ToyTask()
    with pytest.raises(Interrupted):
        run_toy(tmp_path, settings(epochs=2), task=task, batches=SignallingBatches(signal.SIGINT, at=STEPS - 1))
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert task.evaluations == 0 and state is not None and state["evaluated"] is False
    task = ToyTask()
    run_toy(tmp_path, settings(epochs=2), task=task)
    assert task.evaluations == 2


class Interrupting(ToyTask):
    """Sends this process a signal in the middle of its evaluation number `at`, from 1."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def evaluate(self, step: Callable[[int], object] = lambda done: None) -> dict[str, float]:
        if self.evaluations == self.at - 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)
        return super().evaluate(step)


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("loop", [{}, {"ema_decay": 0.9}], ids=["plain", "average"])
def test_an_interrupted_evaluation_loses_nothing_of_the_epoch_before(
    at: int, loop: dict[str, float], tmp_path: Path
) -> None:
    _, whole = run_toy(tmp_path / "whole", settings(epochs=3, **loop))
    began = time.monotonic()
    with pytest.raises(Interrupted) as caught:
        run_toy(tmp_path / "run", settings(epochs=3, **loop), task=Interrupting(at))
    assert time.monotonic() - began < 20
    step = at * STEPS
    assert caught.value.saved == f"after step {step} of 15, which is saved in {tmp_path / 'run' / 'checkpoint.pt'}"
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state is not None and (state["step"], state["evaluated"]) == (step, False)
    with pytest.raises(Interrupted):  # again, in the evaluation that was left
        run_toy(tmp_path / "run", settings(epochs=3, **loop), task=Interrupting(1))
    _, run = run_toy(tmp_path / "run", settings(epochs=3, **loop))
    assert_same_run(whole.root, run.root)


class OneWaits(ToyTask):
    """Of two processes the first is asked to end in the middle of an evaluation, when the other has done its share."""

    processes: Processes

    def evaluate(self, step: Callable[[int], object] = lambda done: None) -> dict[str, float]:
        with self.processes.own_share():
            if self.processes.is_first:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(20)
        return {"val/score": self.processes.sum(torch.ones(1)).item()}


def interrupted_in_one(folder: Path) -> None:
    with joined_processes("cpu") as processes:
        run = open_run_folder(folder / str(processes.rank), {"name": "toy"})
        task = OneWaits()
        task.processes = processes
        with pytest.raises(Interrupted, match="after step 5 of 15, which is saved"):
            run_loop(task, settings(epochs=3), run, processes)


def test_of_several_processes_all_end_an_evaluation_where_one_is_asked_to(tmp_path: Path) -> None:
    assert sessions.call_together(partial(interrupted_in_one, tmp_path)) == 0
    state = load_checkpoint(tmp_path / "0" / "checkpoint.pt")
    assert state is not None and (state["step"], state["evaluated"]) == (STEPS, False)


def test_a_failed_evaluation_is_no_interruption(tmp_path: Path) -> None:
    class Failing(ToyTask):
        def evaluate(self, step: Callable[[int], object] = lambda done: None) -> dict[str, float]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_toy(tmp_path, settings(), task=Failing())


def test_the_second_signal_does_not_wait_for_the_step(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run_toy(tmp_path, settings(), batches=SignallingBatches(signal.SIGINT, at=2, times=2))
    assert not (tmp_path / "checkpoint.pt").exists()


PROGRAM = """
import sys, time
from swinkit import cli
cli.COMMANDS["wait"] = "builtins:exit"
def run(arguments):
    print("ready", flush=True)
    {body}
cli._run = run
sys.exit(cli.main([]))
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(60)",
        "import importlib, pathlib; sys.path.insert(0, '.'); import slow_module",
        "sys.path.insert(0, '.'); from half_built import HalfBuilt; HalfBuilt()",
    ],
    ids=["at work", "while importing", "while something is built"],
)
def test_a_command_ends_with_the_code_of_the_signal(number: signal.Signals, body: str, tmp_path: Path) -> None:
    (tmp_path / "slow_module.py").write_text(
        "import time\ntry:\n    time.sleep(60)\nexcept BaseException as e:\n    raise ImportError('broken') from e\n"
    )
    (tmp_path / "half_built.py").write_text(
        "import time\nclass HalfBuilt:\n    def __init__(self):\n        time.sleep(60)\n        self.whole = True\n"
        "    def __del__(self):\n        self.whole\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "Traceback" not in said and said.count("swinkit: interrupted") == 1


TRAINING = """
import sys, time
from swinkit.training import interruption
interruption.GRACE_SECONDS = 0.3
from swinkit import cli
def run(arguments):
    with interruption.saving_on_signals(alone={alone}):
        print("ready", flush=True)
        for _ in range(20):
            time.sleep(0.1)
        raise interruption.Interrupted(interruption.requested(), saved="after step 1 of 2, which is saved in x")
cli._run = run
sys.exit(cli.main(["train", "my recipe"]))
"""


@pytest.mark.parametrize("alone", [True, False])
def test_a_run_that_waits_for_no_other_process_comes_to_the_end_of_a_long_step(alone: bool, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING.format(alone=alone)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    is_saved = "swinkit: interrupted after step 1 of 2, which is saved in x; this goes on from there:\n" in said
    assert is_saved == alone == said.endswith("train 'my recipe'\n")
    assert ("coming to the end of the step" in said) == alone


def test_an_interruption_while_torch_writes_is_no_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        try:
            raise Interrupted(signal.SIGINT)
        finally:
            raise RuntimeError("unexpected pos 128 vs 64")

    monkeypatch.setattr("torch.save", interrupted)
    with pytest.raises(Interrupted):
        save_checkpoint(tmp_path / "checkpoint.pt", {})

    def failed(*_: object) -> None:
        raise RuntimeError("a tensor of another kind")

    monkeypatch.setattr("torch.save", failed)
    with pytest.raises(InputError, match="a tensor of another kind") as caught:
        save_checkpoint(tmp_path / "checkpoint.pt", {})
    assert "free some space" not in str(caught.value)


def test_the_end_of_a_run_does_not_wait_for_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_log, "CLOSE_SECONDS", 0.1)
    log = MetricsLog(RunFolder(tmp_path), step=0)
    never = threading.Event()
    monkeypatch.setattr(log._board, "close", lambda: never.wait(60))
    began = time.monotonic()
    log.close()
    assert time.monotonic() - began < 5
    never.set()


def test_a_read_only_file_system_is_what_the_error_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", read_only)
    monkeypatch.setattr(Path, "replace", read_only)
    match = r"cannot write .*recipe\.json \(Read-only file system\); choose another"
    with (
        pytest.raises(InputError, match=match),
        written_whole(tmp_path / "recipe.json", advice="choose another") as file,
    ):
        file.touch()
