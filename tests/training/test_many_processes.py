"""Two processes (gloo, on this machine) train like one with the same batch."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import sessions
from run_results import assert_same_run, losses, metrics
from safetensors.torch import load_file

from swinkit.training.checkpoints import load_checkpoint
from swinkit.weights.model_file import read_model_file

OPTIONS = ("train", "digits", *sessions.TINY)
CHECKPOINTS = ("--checkpoint-every", "5")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    assert sessions.run([*OPTIONS, "--run-dir", str(folder / "run")], folder / "log") == 0
    curve = losses(folder / "run")
    assert len(curve) >= 20 and curve[-1] < curve[0] - 0.5  # it learns, so processes that part would show
    return folder / "run"


@pytest.mark.parametrize(
    "options", [(), ("--accumulate", "2"), ("--sharding", "fsdp")], ids=["ddp", "ddp in parts", "fsdp"]
)
def test_two_processes_train_like_one(alone: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    run = tmp_path / "run"
    assert sessions.run_together([*OPTIONS, *options, "--run-dir", str(run)], tmp_path / "log") == 0
    differences = [abs(a - b) for a, b in zip(losses(alone), losses(run), strict=True)]
    print(f"\n{options}: largest difference of {len(differences)} losses {max(differences):.2g}")
    assert max(differences) < 1e-5
    assert metrics(run)[-1] == pytest.approx(metrics(alone)[-1], abs=1e-5)
    assert "val/top1" in metrics(run)[-1]
    assert load_file(run / "best.safetensors").keys() == load_file(alone / "best.safetensors").keys()
    assert read_model_file(run).description["classes"] == list("0123456789")
    assert "Done:" in (tmp_path / "log.0").read_text() and (tmp_path / "log.1").read_text() == ""


def _kill_after_first_checkpoint(run: Path, arguments: list[str], log: Path) -> int:
    """The update of the checkpoint that two killed processes leave."""
    processes = sessions.start_together(arguments, log)
    while not (run / "checkpoint.pt").exists():
        assert all(process.is_alive() for process in processes), log.with_suffix(".0").read_text()
        time.sleep(0.01)
    for process in processes:
        process.kill()
        process.join()
    state = load_checkpoint(run / "checkpoint.pt")
    assert state is not None
    return int(state["step"])


@pytest.mark.parametrize("sharding", ["fsdp", pytest.param("ddp", marks=pytest.mark.slow)])
def test_two_killed_processes_go_on(tmp_path: Path, sharding: str) -> None:
    options = [*OPTIONS, *CHECKPOINTS, "--sharding", sharding, "--backbone.drop-path-rate", "0.2"]
    assert sessions.run_together([*options, "--run-dir", str(tmp_path / "whole")], tmp_path / "log") == 0
    parts = tmp_path / "parts"
    arguments = [*options, "--run-dir", str(parts)]
    assert _kill_after_first_checkpoint(parts, arguments, tmp_path / "log") < 22
    assert sessions.run_together(arguments, tmp_path / "log") == 0
    assert "Going on after step" in (tmp_path / "log.0").read_text()
    assert_same_run(tmp_path / "whole", parts)


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["fsdp", "ddp"])
def test_a_run_of_two_processes_is_finished_by_one(alone: Path, tmp_path: Path, sharding: str) -> None:
    run = tmp_path / "run"
    arguments = [*OPTIONS, *CHECKPOINTS, "--sharding", sharding, "--run-dir", str(run)]
    assert _kill_after_first_checkpoint(run, arguments, tmp_path / "log") < 22
    assert sessions.run(arguments, tmp_path / "log") == 0
    assert losses(run) == pytest.approx(losses(alone), abs=1e-5)


@pytest.mark.slow
def test_nan_in_two_processes_ends_both(tmp_path: Path) -> None:
    arguments = [*OPTIONS, "--optimizer.lr", "1e30", "--clip-grad", "None", "--run-dir", str(tmp_path / "run")]
    assert sessions.run_together(arguments, tmp_path / "log") == 2
    for rank in (0, 1):
        (line,) = [line for line in (tmp_path / f"log.{rank}").read_text().splitlines() if line.startswith("swinkit: ")]
        assert "in step" in line and "the last checkpoint is untouched" in line


@pytest.mark.slow
def test_torchrun(alone: Path, tmp_path: Path) -> None:
    """The command of the documentation."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "swinkit"]
    subprocess.run([*torchrun, *OPTIONS, "--run-dir", str(tmp_path / "run")], check=True, capture_output=True)
    assert losses(tmp_path / "run") == pytest.approx(losses(alone), abs=1e-5)
