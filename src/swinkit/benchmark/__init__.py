"""How fast, on this machine: swinkit beside timm, torchvision and transformers, all in one interleaved run."""

from swinkit.benchmark.area import measure_area
from swinkit.benchmark.attention import measure_attention
from swinkit.benchmark.candidates import LIBRARIES, Candidate, Case, candidates
from swinkit.benchmark.figures import draw_bars, draw_lines
from swinkit.benchmark.machine import describe_machine
from swinkit.benchmark.memory import peak_memory
from swinkit.benchmark.results import Row, markdown_table, summarise, table, write_results
from swinkit.benchmark.runtimes import runtime_candidates
from swinkit.benchmark.timing import Timings, interleave

__all__ = [
    "LIBRARIES",
    "Candidate",
    "Case",
    "Row",
    "Timings",
    "candidates",
    "describe_machine",
    "draw_bars",
    "draw_lines",
    "interleave",
    "markdown_table",
    "measure_area",
    "measure_attention",
    "peak_memory",
    "runtime_candidates",
    "summarise",
    "table",
    "write_results",
]
