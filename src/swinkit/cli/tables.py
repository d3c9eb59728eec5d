"""swinkit tables"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from swinkit.benchmark.machine import describe_machine
from swinkit.errors import InputError
from swinkit.files import write_json, write_text
from swinkit.tables.measuring import Speeds, measure_table
from swinkit.tables.paper import NUMBERS, TABLES
from swinkit.tables.rows import table_rows
from swinkit.tables.writing import draw_table_5, markdown, plain
from swinkit.training.processes import choose_device, cpu_threads


@dataclass(frozen=True)
class TablesOptions:
    numbers: Annotated[tuple[int, ...], tyro.conf.Positional] = field(default_factory=lambda: NUMBERS)
    """Which tables of the paper, 1 to 9. Default: all."""
    measure: bool = False
    """Also measure speeds on this machine: interleaved, after a warm-up, medians."""
    device: str | None = None
    """Device to measure on, such as cuda or cpu. Default: the GPU if there is one."""
    batch: int | None = None
    """Images at a time, of classifiers and of table 5. Default: 64 on a GPU, 1 on a CPU."""
    rounds: int = 5
    """Measured rounds; every row runs once in each."""
    columns: tuple[str, ...] = ()
    """Columns of table 5 to measure, of S1 S2 S3 S4 T S B. Default: all."""
    threads: int | None = None
    """Processor threads. Default: PyTorch's choice."""
    json: bool = False
    """Print JSON."""
    out: Path | None = None
    """Folder to write tables.md, tables.json and, of a measured table 5, table5.png into."""


def tables_command(arguments: Sequence[str]) -> None:
    """The paper's tables beside what swinkit counts and, with --measure, what this machine measures."""
    options = tyro.cli(TablesOptions, args=list(arguments), prog="swinkit tables", description=tables_command.__doc__)
    unknown = [number for number in options.numbers if number not in NUMBERS]
    if unknown:
        raise InputError(f"there is no table {unknown[0]}; there are {', '.join(map(str, NUMBERS))}")
    if min(options.rounds, options.batch or 1, options.threads or 1) < 1:
        raise InputError("--rounds, --batch and --threads must be at least 1")
    known = next(table.columns for table in TABLES if table.name == "5")
    if not set(options.columns) <= set(known):
        raise InputError(f"--columns are of table 5: {', '.join(known)}")
    with cpu_threads(options.threads):
        _write(options)


def _write(options: TablesOptions) -> None:
    device = choose_device(options.device)
    batch = options.batch or (64 if device.type == "cuda" else 1)
    machine = describe_machine(device) | {"batch": batch, "rounds": options.rounds}
    texts, data = [], []
    for table in (table for table in TABLES if table.number in options.numbers):
        speeds: Speeds = {}
        if options.measure:
            columns = set(options.columns)
            speeds = measure_table(table, device=device, batch=batch, rounds=options.rounds, columns=columns)
        rows = table_rows(table, speeds)
        texts.append(markdown(table, rows))
        data.append(plain(table, rows))
        if options.out is not None and table.name == "5" and speeds:
            draw_table_5(table, rows, f"{machine['device']}, batch {batch}", options.out / "table5.png")
    result = {"machine": machine if options.measure else None, "tables": data}
    where = _machine_line(machine) if options.measure else ""
    text = "\n".join([*([where] if where else []), *texts])
    print(json.dumps(result) if options.json else text)
    if options.out is not None:
        write_text(options.out / "tables.md", text)
        write_json(options.out / "tables.json", result, indent=2)


def _machine_line(machine: dict[str, object]) -> str:
    versions = machine["versions"]
    assert isinstance(versions, dict)
    named = ", ".join(f"{name} {version}" for name, version in versions.items() if name in ("swinkit", "torch", "timm"))
    threads = f", {machine['threads']} threads" if machine["threads"] else ""
    return f"Measured on {machine['device']}{threads}, batch {machine['batch']}, {machine['rounds']} rounds; {named}.\n"
