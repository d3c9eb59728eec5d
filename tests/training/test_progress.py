import io
import re
import time

import pytest
import torch
from rich.console import Console

from swinkit.training import progress
from swinkit.training.progress import (
    TrainingProgress,
    duration,
    memory_gib,
    memory_named,
    progress_bar,
    rounded,
    watched,
)


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
    assert re.fullmatch(
        r"epoch 2/2  step 11/20  \d+s to go  [\d.]+ images/s  loss 1\.235 \(mean of 1 step\)  lr 0\.001  "
        r"peak memory \d+\.\d GiB",
        first,
    )
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


def test_losses_are_means_of_the_last_steps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(progress, "MEAN_STEPS", 3)
    shown = _progress()
    for done, loss in enumerate((8.0, 1.0, 2.0, 6.0), start=1):
        shown.step(done, {"train/loss": loss, "train/grad_norm": 2 * loss, "train/lr": done / 10})
    lines = capsys.readouterr().out.splitlines()
    assert "  loss 4.5  grad_norm 9 (mean of 2 steps)  lr 0.2  " in lines[1]
    assert "  loss 3  grad_norm 6 (mean of 3 steps)  lr 0.4  " in lines[3]


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.0, "0"),
        (0.043, "0.043"),
        (0.26, "0.26"),
        (1.26, "1.3"),
        (9.94, "9.9"),
        (9.96, "10"),
        (12.4, "12"),
        (1530.2, "1530"),
    ],
)
def test_slow_rates_have_a_digit(rate: float, text: str) -> None:
    assert rounded(rate) == text


def test_memory_says_of_what() -> None:
    assert (memory_named(torch.device("cpu")), memory_named(torch.device("cuda"))) == ("peak memory", "peak GPU memory")


def test_validation_has_a_line_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = _progress()
    shown.validate(1, 30)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    shown.validate(7, 30)
    assert capsys.readouterr().out == "validating  image 7/30\n"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is written to a terminal."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160, highlight=False)
    monkeypatch.setattr(progress, "Console", lambda *_, **__: console)
    return screen


def test_validation_has_a_bar_of_its_own_until_training_goes_on(terminal: io.StringIO) -> None:
    shown = _progress()
    shown.step(10, {"train/loss": 1.0})
    shown.validate(3, 30)
    assert shown._bar is not None and [task.completed for task in shown._bar.tasks] == [10, 3]
    shown.resume_clock()
    assert [task.completed for task in shown._bar.tasks] == [10]
    shown.close()
    assert "epoch 1/2  step 10/20" in terminal.getvalue()


def test_long_work_has_a_bar_in_a_terminal(terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(watched(range(3), "reading")) == [0, 1, 2]
    assert "reading" in terminal.getvalue() and "100%" in terminal.getvalue()
    step = progress_bar(4, "evaluating")
    for done in (1, 4):
        step(done)
    assert "evaluating" in terminal.getvalue()
    monkeypatch.setenv("RANK", "1")
    before = terminal.getvalue()
    assert list(watched(range(3), "reading")) == [0, 1, 2]
    assert terminal.getvalue() == before


def test_long_work_is_silent_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    list(watched(range(3), "reading"))
    step = progress_bar(2, "evaluating")
    step(2)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
