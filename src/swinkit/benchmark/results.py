"""What was measured, as rows, as a table, as Markdown and as a file."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from swinkit.benchmark.timing import Timings
from swinkit.files import write_json


@dataclass(frozen=True)
class Row:
    """One candidate in one case."""

    case: str
    name: str
    milliseconds: float
    """Median of a run."""
    spread: float
    """Half the distance between the quartiles, in milliseconds."""
    images_per_second: float
    speed: float
    """Median over the rounds of the baseline's time divided by this one's in the same round; above 1 is faster."""
    rounds: int
    first_run_s: float | None = None
    """Seconds of the very first run, compiling included."""
    peak_mib: float | None = None
    """Peak memory beyond the model, in MiB."""


def summarise(title: str, timings: Timings, *, batch: int, baseline: str) -> list[Row]:
    """A row for each candidate; `baseline` is the candidate whose speed is 1."""
    base = timings[baseline]
    rows = []
    for name, seconds in timings.items():
        median = statistics.median(seconds)
        low, _, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else (median, median, median)
        rows.append(
            Row(
                case=title,
                name=name,
                milliseconds=median * 1e3,
                spread=(high - low) / 2 * 1e3,
                images_per_second=batch / median,
                speed=statistics.median(other / mine for other, mine in zip(base, seconds, strict=True)),
                rounds=len(seconds),
            )
        )
    return rows


HEADINGS = ("", "ms", "±", "images/s", "speed", "first run", "peak memory")


def cells(row: Row) -> list[str]:
    """A row as texts, in the order of `HEADINGS`."""
    return [
        row.name,
        f"{row.milliseconds:.1f}",
        f"{row.spread:.1f}",
        f"{row.images_per_second:.1f}",
        f"{row.speed:.2f}",
        "" if row.first_run_s is None else f"{row.first_run_s:.1f} s",
        "" if row.peak_mib is None else f"{row.peak_mib:.0f} MiB",
    ]


def table(title: str, rows: Sequence[Row]) -> Table:
    """For a terminal; columns without any entry are left out."""
    kept = _used_columns(rows)
    found = Table(*(HEADINGS[index] for index in kept), title=title, title_justify="left", box=None)
    for index, column in enumerate(found.columns):
        column.justify = "right" if index else "left"
    for row in rows:
        texts = cells(row)
        found.add_row(*(texts[index] for index in kept))
    return found


def markdown_table(title: str, rows: Sequence[Row]) -> str:
    """For a README."""
    kept = _used_columns(rows)
    lines = [
        [HEADINGS[index] for index in kept],
        ["---" if index == 0 else "---:" for index in kept],
        *([cells(row)[index] for index in kept] for row in rows),
    ]
    return "\n".join([f"**{title}**", "", *("| " + " | ".join(line) + " |" for line in lines)])


def _used_columns(rows: Sequence[Row]) -> list[int]:
    columns = list(zip(*(cells(row) for row in rows), strict=True))
    return [index for index, texts in enumerate(columns) if any(texts)]


def write_results(path: Path, machine: dict[str, Any], rows: Sequence[Row]) -> None:
    """Machine and rows as JSON; raises InputError where the file cannot be written."""
    write_json(path, {"machine": machine, "rows": [asdict(row) for row in rows]}, indent=2)
