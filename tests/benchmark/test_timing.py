"""Rounds are interleaved, and what is made of their times is right."""

import json
import time
from functools import partial
from pathlib import Path

import pytest

from swinkit.benchmark.results import markdown_table, summarise, table, write_results
from swinkit.benchmark.timing import interleave
from swinkit.errors import InputError


def test_each_round_runs_all_and_begins_with_another() -> None:
    ran: list[str] = []
    rounds: list[int] = []
    work = {name: (lambda name=name: ran.append(name)) for name in "abc"}
    seconds = interleave(work, rounds=3, warm_up=1, after_round=lambda: rounds.append(len(ran)))
    assert "".join(ran) == "abcbcacababc"
    assert rounds == [3, 6, 9, 12]
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3, "c": 3}


def test_settled_means_run_once_more_unmeasured() -> None:
    ran: list[str] = []

    def slow_at_first(name: str) -> None:
        time.sleep(0.0 if ran[-1:] == [name] else 0.05)
        ran.append(name)

    work = {name: partial(slow_at_first, name) for name in "ab"}
    seconds = interleave(work, rounds=2, warm_up=0, settle=True)
    assert "".join(ran) == "aabbbbaa" and max(max(each) for each in seconds.values()) < 0.05


def test_summary() -> None:
    # The second round was disturbed: the ratio within each round is not.
    slow, fast = summarise("case", {"slow": [0.2, 2.0, 0.2], "fast": [0.1, 1.0, 0.1]}, batch=8, baseline="slow")
    assert (slow.speed, fast.speed) == (1.0, 2.0)
    assert fast.milliseconds == 100.0 and fast.images_per_second == 80.0 and fast.rounds == 3
    assert summarise("case", {"one": [0.5]}, batch=1, baseline="one")[0].spread == 0.0


def test_tables_leave_out_empty_columns(tmp_path: Path) -> None:
    rows = summarise("case", {"a": [0.2, 0.2], "b": [0.1, 0.1]}, batch=1, baseline="a")
    text = markdown_table("case", rows)
    assert text.splitlines()[2:] == [
        "|  | ms | ± | images/s | speed |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| a | 200.0 | 0.0 | 5.0 | 1.00 |",
        "| b | 100.0 | 0.0 | 10.0 | 2.00 |",
    ]
    assert len(table("case", rows).columns) == 5
    write_results(tmp_path / "new" / "a.json", {"device": "x"}, rows)
    assert json.loads((tmp_path / "new" / "a.json").read_text())["rows"][1]["speed"] == 2.0
    with pytest.raises(InputError, match="cannot write"):
        write_results(tmp_path / "new" / "a.json" / "b.json", {}, rows)
