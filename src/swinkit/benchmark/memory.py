"""Peak memory of one run, each candidate in a process of its own, so that none hides behind another's."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from swinkit.benchmark.candidates import Case, Library, build, runner


def peak_memory(case: Case, library: Library, *, threads: int) -> float | None:
    """What three runs need at most beyond the model itself, in MiB; None where the library has no such model."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:  # unlike a Pool, it does not wait for one that dies
        return pool.submit(_measure, case, library, threads).result()


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
    return (peak_of_process() - before) / 2**20


def _resident() -> int:
    """The memory that this process has now, in bytes; where the system does not tell, the most it has had."""
    return _from_status("VmRSS") or peak_of_process()


def peak_of_process() -> int:
    """The most memory this process has had, in bytes."""
    known = _from_status("VmHWM")  # ru_maxrss begins with what the parent had when this process was born
    if known is not None:
        return known
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _from_status(field: str) -> int | None:
    """A size that Linux tells of this process, in bytes; None elsewhere."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)
