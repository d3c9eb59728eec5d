from pathlib import Path

from swinkit.training.best_step import best_step


def test_the_last_of_equals_and_only_whole_lines_count(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [
        '{"step": 5, "val/top1": 0.5}',
        '{"step": 10, "train/loss": 3.0}',
        '{"step": 10, "val/top1": 0.75}',
        '{"step": 15, "val/top1": null}',
        '{"step": 20, "val/top1": 0.75}',
        '{"step": 25, "val/top1": 0.25}',
        "[1]",
        '{"step": 30, "val/to',
    ]
    path.write_text("\n".join(lines))
    assert best_step(path, "val/top1") == 20
    assert best_step(path, "train/loss") == 10
    assert best_step(path, "val/miou") is None


def test_without_a_log_nothing_is_known(tmp_path: Path) -> None:
    assert best_step(tmp_path / "metrics.jsonl", "val/top1") is None
