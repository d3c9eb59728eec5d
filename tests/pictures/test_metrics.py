"""A metrics file is read as far as it can be, and resumed runs replace what they repeat."""

from pathlib import Path

import pytest

from swinkit.errors import InputError
from swinkit.pictures.metrics import read_metrics


def written(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_names_become_series_over_the_steps(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '{"step": 1, "epoch": 0, "train/loss": 2.5, "note": "x", "done": true}',
        '{"step": 1, "val/top1": 40}',
        '{"step": 2, "epoch": 1, "train/loss": NaN}',
    )
    series = read_metrics(path)
    assert sorted(series) == ["epoch", "train/loss", "val/top1"]
    assert (series["train/loss"].steps, series["train/loss"].values[0]) == ([1, 2], 2.5)
    assert (series["val/top1"].steps, series["val/top1"].values) == ([1], [40.0])


def test_the_last_of_repeated_steps_wins(tmp_path: Path) -> None:
    path = written(tmp_path, *(f'{{"step": {step}, "train/loss": {loss}}}' for step, loss in [(1, 5), (2, 4), (2, 3)]))
    assert read_metrics(path)["train/loss"].values == [5.0, 3.0]


def test_a_resumed_run_replaces_the_history_after_its_checkpoint(tmp_path: Path) -> None:
    history = [(10, 5), (20, 4), (30, 99), (40, 99), (30, 3)]
    path = written(tmp_path, *(f'{{"step": {step}, "train/loss": {loss}}}' for step, loss in history))
    series = read_metrics(path)["train/loss"]
    assert (series.steps, series.values) == ([10, 20, 30], [5.0, 4.0, 3.0])


def test_lines_that_were_cut_off_are_left_out(tmp_path: Path) -> None:
    whole = '{"step": 1, "train/loss": 5}'
    path = written(tmp_path, whole, '{"step": 2, "train/lo{"step": 3, "a": 1}', "[1]", "7", '{"a": 1}', '{"step": 2, "')
    assert list(read_metrics(path)) == ["train/loss"]
    path.write_bytes(whole.encode() + b'\n{"step": 2, "\xff\xfe')
    assert read_metrics(path)["train/loss"].steps == [1]


def test_files_without_metrics_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*missing\.jsonl"):
        read_metrics(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match="holds no metrics"):
        read_metrics(written(tmp_path, ""))
