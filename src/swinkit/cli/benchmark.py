"""swinkit benchmark"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from swinkit.benchmark.area import measure_area
from swinkit.benchmark.attention import measure_attention
from swinkit.benchmark.candidates import LIBRARIES, TASKS, Candidate, Case, Library, Mode, candidates
from swinkit.benchmark.figures import draw_bars, draw_lines
from swinkit.benchmark.machine import describe_machine, file_name
from swinkit.benchmark.memory import peak_memory
from swinkit.benchmark.results import Row, markdown_table, summarise, table, write_results
from swinkit.benchmark.runtimes import runtime_candidates
from swinkit.benchmark.timing import interleave
from swinkit.cli.console import result_console
from swinkit.errors import InputError
from swinkit.ops.window_attention import AttentionBackend
from swinkit.training.processes import choose_device

AREA_SIZES = (224, 384, 512, 768, 1024, 1280, 1536)
FILES = Path("build/benchmark")
"""Where exported models are kept between runs."""


@dataclass(frozen=True)
class BenchmarkOptions:
    what: Annotated[Literal["models", "attention", "area"], tyro.conf.Positional] = "models"
    """models: whole models beside other libraries'. attention: the operation alone, by stage. area: time against
    image area, 224 to 1536 pixels a side, beside a ViT."""
    models: tuple[str, ...] = ("swin_t",)
    """Architectures, such as swin_t or swin_b_384."""
    modes: tuple[Mode, ...] = ("inference", "training")
    """inference, training (a step without the optimizer), features (the pyramid that detectors take), segmentation
    (UperNet, from pixels to classes) or detection (Mask R-CNN, from pixels to whole masks; --models resnet50, too)."""
    batch: tuple[int, ...] | None = None
    """Images at a time. Default: 8, of segmentation and detection 1."""
    height: int | None = None
    """Height of the images, in pixels. Default: 224, of segmentation 512, of detection 800."""
    width: int | None = None
    """Width of the images, in pixels. Default: the height, of detection without --height 1333."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format."""
    libraries: tuple[Library, ...] = LIBRARIES
    """Which libraries to compare, where they are installed and have the model."""
    compiled: tuple[Library, ...] = ()
    """Libraries to measure also under torch.compile (swinkit: swinkit.compile)."""
    runtimes: bool = False
    """Also measure exported files under ONNX Runtime and OpenVINO (of float32), and the matrix products alone."""
    memory: bool = False
    """Also measure peak memory, each library in a process of its own."""
    backends: tuple[AttentionBackend, ...] = ("reference", "matmul", "sdpa", "auto")
    """Ways to compute attention, for `attention`."""
    rounds: int = 20
    """Measured rounds; every candidate runs once in each."""
    threads: int | None = None
    """Processor threads. Default: PyTorch's choice."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""
    out: Path = Path("benchmarks/results")
    """Folder for the JSON file and the picture, both named by device."""
    markdown: bool = False
    """Print the tables as Markdown."""


def benchmark_command(arguments: Sequence[str]) -> None:
    """Measure swinkit beside other libraries on this machine, interleaved, and write table, JSON and picture."""
    options = tyro.cli(
        BenchmarkOptions, args=list(arguments), prog="swinkit benchmark", description=benchmark_command.__doc__
    )
    if options.rounds < 1 or (options.threads or 1) < 1:
        raise InputError("--rounds and --threads must be at least 1")
    device = choose_device(options.device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    cases = list(_cases(options, device))
    machine = describe_machine(device)
    name = f"{options.what}-{file_name(machine['device'])}"
    threads = f", {machine['threads']} threads" if machine["threads"] else ""
    subtitle = f"{machine['device']}{threads}, torch {machine['versions']['torch']}"
    rows = {"models": _models, "attention": _attention, "area": _area}[options.what](options, cases, device)
    _print(rows, subtitle, options)
    write_results(options.out / f"{name}.json", machine, rows)
    picture = options.out / f"{name}.png"
    if options.what == "area":
        draw_lines(_points(rows, cases), subtitle, picture)
    else:
        draw_bars(rows, subtitle, picture)
    print(f"\n{options.out / name}.json\n{picture}")


def _cases(options: BenchmarkOptions, device: torch.device) -> Iterator[Case]:
    modes: tuple[Mode, ...] = options.modes if options.what != "area" else ("features",)
    for model, mode in product(options.models, modes):
        usual = (1,) if mode in TASKS or options.what == "area" else (8,)
        size = _size(options, mode)
        cases = [
            Case(model=model, mode=mode, batch=batch, size=size, dtype=options.dtype, device=str(device))
            for batch in (options.batch or usual)
        ]
        if options.what == "area":
            yield from (replace(cases[0], batch=1, size=(side, side)) for side in AREA_SIZES)
        else:
            yield from cases


def _size(options: BenchmarkOptions, mode: Mode) -> tuple[int, int]:
    height, width = {"segmentation": (512, 512), "detection": (800, 1333)}.get(mode, (224, 224))
    if options.height is not None:
        height = width = options.height
    return height, options.width or width


def _models(options: BenchmarkOptions, cases: Sequence[Case], device: torch.device) -> list[Row]:
    rows = []
    for case in cases:
        found = candidates(case, libraries=options.libraries, compiled=options.compiled)
        if options.runtimes and case.mode == "inference":
            FILES.mkdir(parents=True, exist_ok=True)
            found += runtime_candidates(case, FILES)
        if not found:
            raise InputError(f"no library of {', '.join(options.libraries)} has what is asked for: {case.title}")
        baseline = "timm" if any(each.name == "timm" for each in found) else found[-1].name
        measured = _measure(case.title, found, baseline, case.batch, options.rounds, device)
        rows += [replace(row, peak_mib=_peak(case, row.name)) if options.memory else row for row in measured]
    return rows


def _peak(case: Case, name: str) -> float | None:
    matching = [library for library in LIBRARIES if library == name]
    return peak_memory(case, matching[0], threads=torch.get_num_threads()) if matching else None


def _attention(options: BenchmarkOptions, cases: Sequence[Case], device: torch.device) -> list[Row]:
    rows = []
    for case in cases:
        for stage in range(4):
            found = measure_attention(case, stage, options.backends)
            title = f"attention of stage {stage + 1}, {case.title}"
            rows += _measure(title, found, found[0].name, case.batch, options.rounds, device)
    return rows


def _area(options: BenchmarkOptions, cases: Sequence[Case], device: torch.device) -> list[Row]:
    rows = []
    for case in cases:
        found = measure_area(case)
        rows += _measure(case.title, found, found[-1].name, case.batch, options.rounds, device)
    return rows


def _points(rows: Sequence[Row], cases: Sequence[Case]) -> dict[str, list[tuple[float, float]]]:
    areas = {case.title: case.size[0] * case.size[1] / 1e6 for case in cases}
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        points.setdefault(row.name, []).append((areas[row.case], row.milliseconds))
    return points


def _measure(
    title: str, found: Sequence[Candidate], baseline: str, batch: int, rounds: int, device: torch.device
) -> list[Row]:
    """Rows of the candidates, with the time of the very first run."""
    first: dict[str, float] = {}
    warm_up = 2
    with _progress(title, len(found) + warm_up + rounds) as advance:
        for each in found:
            began = time.perf_counter()
            each.run()
            first[each.name] = time.perf_counter() - began
            advance()
        timings = interleave(
            {each.name: each.run for each in found}, rounds=rounds, warm_up=warm_up, device=device, after_round=advance
        )
    rows = summarise(title, timings, batch=batch, baseline=baseline)
    return [replace(row, first_run_s=first[row.name]) if "compiled" in row.name else row for row in rows]


@contextmanager
def _progress(title: str, steps: int) -> Iterator[Callable[[], None]]:
    """A bar with the time to go in a terminal; one line elsewhere. Both on stderr."""
    console = Console(stderr=True, highlight=False, markup=False)
    if not console.is_terminal:
        console.print(f"measuring {title}", soft_wrap=True)
        yield lambda: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        row = bar.add_task(title, total=steps)
        yield lambda: bar.advance(row)


def _print(rows: Sequence[Row], subtitle: str, options: BenchmarkOptions) -> None:
    print(subtitle)
    for case in dict.fromkeys(row.case for row in rows):
        chosen = [row for row in rows if row.case == case]
        print()
        if options.markdown:
            print(markdown_table(case, chosen))
        else:
            result_console().print(table(case, chosen))
