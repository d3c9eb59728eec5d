"""Is the fused attention faster than timm's eager path on a GPU, stage by stage, and what does it do for Swin-T?

Values and gradients are compared with the fp64 reference first; nothing is timed if they differ. Then, in bf16:
the attention of each stage of Swin-T at 224 px (forward, and forward + backward; alone from qkv to output, and the
module with its projections), Swin-T inference and training step, eager and compiled, with peak memory, against timm
where it is installed. Candidates are interleaved; medians and quartiles; the JSON is written after every section, so
that a run cut short leaves what it has measured. `benchmarks/gpu.sh` runs all of it.

    python benchmarks/gpu_attention.py [--batch-size 128] [--rounds 30] [--seconds 480] [--tune] [--dry]

--tune measures other tiles for the kernels, to be written into `swinkit/ops/window_attention/triton_plan.py`.
--dry runs every line on tiny shapes, on a CPU, with Triton's interpreter; its times mean nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from gpu_candidates import Stage, Work, block_candidates, core_candidates, model_candidates, training_candidates
from torch import Tensor

from swinkit.ops.window_attention import triton_plan
from swinkit.ops.window_attention.triton_plan import Tile

STAGES = tuple(
    Stage(f"stage {i + 1}{', shifted' if shift else ''}", size, heads, 32, 7, shift)
    for i, (size, heads) in enumerate(((56, 3), (28, 6), (14, 12), (7, 24)))
    for shift in ((0, 3) if size > 7 else (0,))
)
DRY_STAGES = (Stage("dry", 8, 2, 8, 4, 0), Stage("dry, shifted", 8, 2, 8, 4, 2))
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-2}
FLUSHED_BYTES = 256 << 20


@dataclass(frozen=True)
class Bench:
    """How to measure: where, how often, and until when."""

    device: torch.device
    rounds: int
    deadline: float

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self.deadline

    def seconds(self, works: dict[str, Work]) -> dict[str, dict[str, float]]:
        """Median, quartiles and peak memory of each work, interleaved, in another order each round."""
        samples: dict[str, list[float]] = {name: [] for name in works}
        first, peak = {}, {}
        for name, work in works.items():
            first[name], peak[name] = self._first(work)
        names = list(works)
        for number in range(self.rounds):
            if number >= 3 and self.is_late:
                break
            for name in names[number % len(names) :] + names[: number % len(names)]:
                samples[name].append(self._time(works[name]))
        return {
            name: {**spread(values), "first_s": first[name], "peak_bytes": peak[name]}
            for name, values in samples.items()
        }

    def _first(self, work: Work) -> tuple[float, int]:
        """Seconds of the first call, compilation included; bytes that a later one adds at its peak."""
        began = time.perf_counter()
        work()
        self._wait()
        seconds = time.perf_counter() - began
        if self.device.type != "cuda":
            return seconds, 0
        work()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        self._wait()
        return seconds, torch.cuda.max_memory_allocated() - before

    def _time(self, work: Work) -> float:
        if self.device.type != "cuda":
            began = time.perf_counter()
            work()
            return time.perf_counter() - began
        # What the last candidate left in the cache goes; and the launches get a lead, as they have within a model.
        torch.empty(FLUSHED_BYTES, dtype=torch.int8, device=self.device).zero_()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def spread(values: list[float]) -> dict[str, float]:
    ordered = torch.tensor(values, dtype=torch.float64)
    low, median, high = ordered.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)).tolist()
    return {"median_s": median, "quartile_1_s": low, "quartile_3_s": high}


def error(ours: Tensor, theirs: Tensor) -> float:
    return ((ours.double() - theirs.double()).norm() / theirs.double().norm().clamp_min(1e-3)).item()


def check(stages: tuple[Stage, ...], batch: int, device: torch.device) -> dict[str, Any]:
    """Relative errors of the norm, of output and gradients, against the fp64 reference on the same inputs."""
    found = {}
    for stage, dtype in itertools.product(stages, TOLERANCES):
        ours = stage.values_and_gradients("triton", batch, dtype, device)
        theirs = stage.values_and_gradients("reference", batch, dtype, device)
        errors = [error(a, b) for a, b in zip(ours, theirs, strict=True)]
        found[f"{stage.name} {dtype}"] = errors
        if not max(errors) < TOLERANCES[dtype]:
            raise SystemExit(f"the fused kernels are wrong at {stage.name} in {dtype}: {errors}")
    return found


def tune(stages: tuple[Stage, ...], batch: int, bench: Bench) -> dict[str, Any]:
    """Seconds of the attention alone with other tiles; the table's own come first."""
    results: dict[str, Any] = {}
    for stage in stages:
        keys = triton_plan.side(stage.window**2)
        for kernel, part in (("forward", "forward"), ("queries", "forward+backward")):
            own, programs = triton_plan.TILES[kernel][keys], triton_plan.PROGRAMS[kernel]
            for warps, stages_ahead, count in itertools.product((4, 8), (1, 2, 3), (4, 8, 16, 32, 64)):
                if bench.is_late:
                    return results
                tile = Tile(own.rows, warps, stages_ahead)
                with replaced(kernel, keys, tile, count):
                    work = core_candidates(stage, batch, bench.device, part)["swinkit triton"]
                    row = bench.seconds({"triton": work})["triton"]
                mark = " (the table's)" if (tile, count) == (own, programs) else ""
                results[f"{stage.name} {kernel} {tile} {count} programs{mark}"] = row["median_s"]
    return results


class replaced:
    """Other numbers in the kernels' table for a while."""

    def __init__(self, kernel: str, keys: int, tile: Tile, programs: int) -> None:
        self.old = triton_plan.TILES, triton_plan.PROGRAMS
        self.new = (
            {**self.old[0], kernel: {**self.old[0][kernel], keys: tile}},
            {**self.old[1], kernel: programs},
        )

    def __enter__(self) -> None:
        triton_plan.TILES, triton_plan.PROGRAMS = self.new

    def __exit__(self, *exception: object) -> None:
        triton_plan.TILES, triton_plan.PROGRAMS = self.old


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def show(title: str, rows: dict[str, dict[str, float]], images: int) -> None:
    print(f"\n{title}")
    own = next(iter(rows.values()))["median_s"]
    for name, row in rows.items():
        median = row["median_s"]
        print(
            f"  {name:26} {median * 1e3:9.3f} ms  {median / own:6.2f} x  {images / median:10.0f} images/s"
            f"  peak {row['peak_bytes'] / 2**20:8.0f} MiB  first call {row['first_s']:6.1f} s"
        )


def measure(results: dict[str, Any], out: Path, options: argparse.Namespace, bench: Bench) -> None:
    """Every section, into `results`, written to `out` after each."""

    def keep(section: str, name: str, rows: dict[str, dict[str, float]]) -> None:
        results.setdefault(section, {})[name] = rows
        show(f"{section}, {name}", rows, options.batch_size)
        out.write_text(json.dumps(results, indent=2) + "\n")

    stages = DRY_STAGES if options.dry else STAGES
    results["errors"] = check(stages, 1 if options.dry else 8, bench.device)
    print("values and gradients agree with the reference; largest error by dtype:")
    for dtype in TOLERANCES:
        print(f"  {dtype}: {max(max(e) for name, e in results['errors'].items() if name.endswith(str(dtype))):.1e}")
    for stage, part in itertools.product(stages, ("forward", "forward+backward")):
        works = core_candidates(stage, options.batch_size, bench.device, part)
        keep(f"attention alone, {part}", stage.name, bench.seconds(works))
        works = block_candidates(stage, options.batch_size, bench.device, part)
        keep(f"attention with projections, {part}", stage.name, bench.seconds(works))
    fewer = replace(bench, rounds=max(1, bench.rounds // 2))
    for section, candidates in (("inference", model_candidates), ("training step", training_candidates)):
        for is_compiled in (False, True):
            if bench.is_late:
                print(f"no time left for {section}, {'compiled' if is_compiled else 'eager'}")
                continue
            works = candidates(options.batch_size, bench.device, is_compiled=is_compiled, is_dry=options.dry)
            keep(section, "compiled" if is_compiled else "eager", fewer.seconds(works))
            torch._dynamo.reset()
    if options.tune:
        results["tiles"] = tune(stages, options.batch_size, replace(bench, deadline=time.monotonic() + options.seconds))
        out.write_text(json.dumps(results, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=480, help="no new section is begun after so many")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    if options.dry:
        options.batch_size, options.rounds = 1, 1
        if os.environ.get("TRITON_INTERPRET") != "1":
            raise SystemExit("--dry needs TRITON_INTERPRET=1 in the environment")
    elif not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here; --dry runs everything on tiny shapes instead")
    torch.manual_seed(0)
    device = torch.device("cpu" if options.dry else "cuda")
    name = "dry run, no times" if options.dry else torch.cuda.get_device_name()
    results: dict[str, Any] = {
        "device": name,
        "batch_size": options.batch_size,
        "dtype": "bfloat16",
        "versions": {package: installed(package) for package in ("swinkit", "torch", "triton", "timm")},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    out = options.out / f"gpu-{''.join(c if c.isalnum() else '-' for c in name).strip('-').lower()}.json"
    measure(results, out, options, Bench(device, options.rounds, time.monotonic() + options.seconds))
    print(f"\n{out}")


if __name__ == "__main__":
    main()
