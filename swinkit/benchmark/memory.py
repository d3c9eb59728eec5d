"""Peak memory of one run, each candidate in a process of its own, so that none hides behind another's."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from pathlib import Path

import torch

from swinkit.benchmark.candidates import Case, Library, build, runner


def peak_memory(case: Case, library: Library, *, threads: int) -> float | None:
    """What three runs need at most beyond the model itself, in MiB; None where the library has no such model."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (case, library, threads))


def _measure(case: Case, library: Library, threads: int) -> float | None:
    torch.set_num_threads(threads)
    model = build(case, library)
    if model is None:
        return None
    run = runner(case, model)
    if case.device != "cpu":
        run()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = _resident()
    for _ in range(3):
        run()
    return (_peak() - before) / 2**20


def _resident() -> int:
    """The memory that this process has now, in bytes; where the system does not tell, the most it has had."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * resource.getpagesize() if status.exists() else _peak()


def _peak() -> int:
    """The most memory this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
