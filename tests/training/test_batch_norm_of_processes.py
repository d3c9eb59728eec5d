"""Batch norm over two processes (gloo, on this machine): whose statistics are normalised with, evaluated and saved."""

from __future__ import annotations

import functools
import logging
from pathlib import Path

import pytest
import sessions
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from toy_task import ONE

from swinkit.training.processes import Processes, joined_processes, synchronised

NORM = nn.BatchNorm2d(3)
TWO_ON_CPUS = Processes(0, 2, torch.device("cpu"))


def images_of(rank: int) -> Tensor:
    """(4, 3, 5, 5), around the number of the process."""
    return rank + torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(rank))


def average_in_each(folder: Path) -> None:
    """A training step of batch norm alone, then the average; both go to a file for each process."""
    with joined_processes("cpu") as processes:
        model = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False))
        model(images_of(processes.rank))
        own = {f"own.{name}": tensor.clone() for name, tensor in model.state_dict().items()}
        processes.average_statistics(model)
        save_file(own | model.state_dict(), folder / f"{processes.rank}.safetensors")


def test_running_statistics_become_those_of_all(tmp_path: Path) -> None:
    assert sessions.call_together(functools.partial(average_in_each, tmp_path)) == 0
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    for name in ("0.running_mean", "0.running_var"):
        assert not torch.equal(first[f"own.{name}"], second[f"own.{name}"])
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], (first[f"own.{name}"] + second[f"own.{name}"]) / 2)
    assert first["0.running_mean"].mean() == pytest.approx(0.05, abs=0.03)  # a tenth of half way from 0 to 1
    assert int(first["0.num_batches_tracked"]) == 1


def refuse_on_cpus() -> None:
    with joined_processes("cpu"), pytest.raises(ValueError, match="expected input tensor to be on GPU"):
        nn.SyncBatchNorm(3)(images_of(0))


def test_torch_synchronises_on_gpus_only() -> None:
    """Why it is left out on CPUs; where this fails, torch has learned to, and `synchronised` can."""
    assert sessions.call_together(refuse_on_cpus) == 0


def test_processes_on_cpus_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    with caplog.at_level(logging.WARNING):
        assert synchronised(model, TWO_ON_CPUS) is model
        assert synchronised(model, Processes(1, 2, torch.device("cpu"))) is model
    (record,) = caplog.records
    assert "needs GPUs" in record.getMessage() and "each of the 2 processes" in record.getMessage()


def test_no_word_without_batch_norm_or_other_processes(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert synchronised(NORM, ONE) is NORM
        plain = nn.Linear(2, 2)
        assert synchronised(plain, TWO_ON_CPUS) is plain
    assert not caplog.records


def test_gpus_get_synchronised_batch_norm() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    assert type(synchronised(model, Processes(0, 2, torch.device("cuda")))[1]) is nn.SyncBatchNorm


@pytest.mark.slow
def test_what_is_saved_is_the_mean(tmp_path: Path) -> None:
    """Two processes of a run whose checkpoint, model and evaluation have batch norm's statistics of both."""
    log, run = tmp_path / "log", tmp_path / "run"
    arguments = ["train", "digit_scenes_segmentation", *sessions.TINY_SCENES, "--ema-decay", "0.5"]
    assert sessions.run_together([*arguments, "--run-dir", str(run)], log) == 0, log.with_suffix(".0").read_text()
    assert "needs GPUs" in log.with_suffix(".0").read_text() and log.with_suffix(".1").read_text() == ""
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    saved = load_file(run / "last.safetensors")
    names = [name for name in saved if name.endswith("running_mean")]
    assert names and all(torch.equal(saved[name], state["average"][name]) for name in names)
