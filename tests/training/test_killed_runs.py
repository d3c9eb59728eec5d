"""SIGKILL at any moment, the same command again, and the run ends as if nothing had happened: on a CPU, bit for bit."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import sessions
from run_results import assert_same_run

from swinkit.classification.model import SwinClassifier
from swinkit.training.checkpoints import load_checkpoint

OPTIONS = (
    *("train", "digits", *sessions.TINY, "--epochs", "3", "--checkpoint-every", "7"),
    *("--batch-size", "48", "--accumulate", "2", "--ema-decay", "0.9", "--mixing.probability", "1.0"),
    *("--backbone.drop-path-rate", "0.2", "--backbone.drop-rate", "0.1", "--workers", "2"),
)
UPDATES = 3 * (1438 // 48)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run that nobody disturbs, and how many seconds it took."""
    folder = tmp_path_factory.mktemp("whole")
    # The first session also starts the server that the others are forked from.
    assert sessions.run(["--version"], folder / "log") == 0
    began = time.perf_counter()
    assert sessions.run([*OPTIONS, "--run-dir", str(folder / "run")], folder / "log") == 0
    return folder / "run", time.perf_counter() - began


def test_run_killed_three_times(whole: tuple[Path, float], tmp_path: Path) -> None:
    reference, _ = whole
    draw = random.Random(0)
    phases = []
    for steps in (3, 40, 70):  # before the first checkpoint at 7, in the second epoch, in the third
        process = sessions.start([*OPTIONS, "--run-dir", str(tmp_path / "run")], tmp_path / "log")
        while _lines(tmp_path / "run") < steps and process.is_alive():
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.1))
        phases.append(_kill(process, tmp_path / "run"))
    print(f"\nkilled: {', '.join(phases)}")
    # Neither the number of workers nor how often metrics are written decides anything.
    _finish(tmp_path, "--workers", "0")
    assert_same_run(reference, tmp_path / "run")


@pytest.mark.slow
def test_twenty_runs_each_killed_at_a_random_moment(whole: tuple[Path, float], tmp_path: Path) -> None:
    reference, seconds = whole
    draw = random.Random(0)
    phases: Counter[str] = Counter()
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        process = sessions.start([*OPTIONS, "--run-dir", str(folder / "run")], folder / "log")
        time.sleep(draw.uniform(0, seconds))
        phases[_kill(process, folder / "run").partition(" after")[0]] += 1
        _finish(folder)
        assert_same_run(reference, folder / "run")
    print(f"\n20 runs killed between 0 and {seconds:.1f} s: {dict(phases)}")
    assert sum(phases.values()) == 20


def _lines(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _kill(process: ForkServerProcess, run: Path) -> str:
    """Kill a run, see that every file in its folder is whole, and say what was going on."""
    process.kill()
    process.join()
    return _phase(run)


def _phase(run: Path) -> str:
    if (run / "recipe.json").exists():
        json.loads((run / "recipe.json").read_text())
    for name in ("best.safetensors", "last.safetensors"):
        if (run / name).exists():
            SwinClassifier.from_pretrained(run / name)
    state = load_checkpoint(run / "checkpoint.pt")
    half_written = [path.name for path in run.glob(".*")] if run.exists() else []
    if half_written:
        return f"writing {half_written[0].split('.')[1]}"
    if state is None:
        return "training before the first checkpoint" if (run / "metrics.jsonl").exists() else "starting"
    if state["step"] < UPDATES:
        return f"training after step {state['step']}"
    return "finished" if (run / "sample.png").exists() else "drawing pictures"


def _finish(folder: Path, *changed: str) -> None:
    assert sessions.run([*OPTIONS, "--run-dir", str(folder / "run"), *changed], folder / "log") == 0
    names = {path.name for path in (folder / "run").iterdir()}
    pictures = {f"{name}.png" for name in ("curves", "confusion", "predictions", "sample")}
    models = {"best.safetensors", "last.safetensors", "checkpoint.pt"}
    assert names == {*pictures, *models, ".gitignore", "recipe.json", "metrics.jsonl", "metrics.csv", "tensorboard"}
