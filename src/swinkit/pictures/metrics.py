"""Reading a run's metrics.jsonl: each name's values by step."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swinkit.errors import InputError
from swinkit.files import read_bytes


@dataclass
class Series:
    """One name's values: `values[i]` was logged at `steps[i]`; steps ascend and occur once."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, step: int, value: float) -> None:
        """Appends a value; one at an earlier step begins a resumed run's history and takes the place of the old one."""
        while self.steps and self.steps[-1] >= step:
            self.steps.pop()
            self.values.pop()
        self.steps.append(step)
        self.values.append(value)


def read_metrics(path: Path) -> dict[str, Series]:
    """Every numeric name of a metrics.jsonl file (`step` and other names, one JSON object a line) as a series.

    Lines that are cut off, as a killed run leaves them, and lines without a step are left out.

    Raises:
        InputError: where the file cannot be read or no line is usable.
    """
    text = read_bytes(path).decode(errors="replace")
    series: dict[str, Series] = {}
    for line in text.splitlines():
        record = _record(line)
        step = record.pop("step", None)
        if not _is_number(step) or not math.isfinite(step):
            continue
        for name, value in record.items():
            if _is_number(value):
                series.setdefault(name, Series()).add(int(step), float(value))
    if not series:
        raise InputError(f"{path} holds no metrics: each line should be a JSON object with a step and values")
    return series


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _is_number(value: object) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return is_whole or isinstance(value, float)
