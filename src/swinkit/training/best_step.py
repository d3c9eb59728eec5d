"""Which step of a run was its best, read off what the run has logged."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from swinkit.errors import InputError
from swinkit.files import read_bytes


def best_step(metrics: Path, name: str) -> int | None:
    """After which step the result of this name was highest, of equals the last one; None where it was never logged.

    Args:
        metrics: the run's metrics.jsonl; lines that a kill has cut off are left out.
        name: of a result where higher is better, such as "val/top1".
    """
    best: tuple[float, int] | None = None
    with suppress(InputError):  # where there is no file, nothing is known
        for text in read_bytes(metrics).decode(errors="replace").split("\n"):
            line: object = None
            with suppress(ValueError, RecursionError):
                line = json.loads(text)
            if isinstance(line, dict) and type(line.get("step")) is int and type(line.get(name)) in (int, float):
                best = max(best or (-float("inf"), 0), (line[name], line["step"]))
    return None if best is None else best[1]
