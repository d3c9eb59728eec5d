import re
import time

import pytest
import torch

from swinkit.training import progress
from swinkit.training.progress import TrainingProgress, duration, memory_gib


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (5.4, "5s"),
        (59.6, "1m 00s"),
        (65, "1m 05s"),
        (3599.7, "1h 00m"),
        (3725, "1h 02m"),
        (360_000, "100h 00m"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_memory_of_this_process_is_plausible() -> None:
    assert 0.05 < memory_gib(torch.device("cpu")) < 500


def _progress(start: int = 0) -> TrainingProgress:
    return TrainingProgress(start=start, total=20, epoch_steps=10, images=4, device=torch.device("cpu"))


def test_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    shown = _progress()
    shown.step(11, {"train/loss": 1.23456, "train/lr": 1e-3})
    shown.say("epoch 1/2 [done]")
    shown.close()
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"epoch 2/2  step 11/20  \d+s to go  \d+ images/s  loss 1\.235  lr 0\.001  \d+\.\d GiB", first)
    assert second == "epoch 1/2 [done]"


def test_few_lines_for_many_updates(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _progress()
    for done in range(1, 21):
        shown.step(done, {"train/loss": 1.0})
    shown.close()
    (line,) = capsys.readouterr().out.splitlines()
    assert "step 20/20" in line


def test_speed_counts_this_session_and_training_time_only() -> None:
    shown = _progress(start=10)
    time.sleep(0.1)
    shown.step(12, {})
    time.sleep(0.2)
    shown.resume_clock()
    assert 8 / 0.3 < shown.images_per_second(12) <= 8 / 0.1
