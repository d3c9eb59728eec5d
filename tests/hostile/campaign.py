"""Hostile inputs for every reader, each in a worker with 2 GiB and 20 s, counted by what came of them.

python tests/hostile/campaign.py --inputs 20000 --seed 1
python tests/hostile/campaign.py --only pth 1:93        # one input again: reader, seed
"""

from __future__ import annotations

import argparse
import json
import queue
import select
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

KINDS = ("clean", "accepted", "traceback", "crash", "hang", "memory")
FAULTS = KINDS[2:]
SECONDS = 20.0
START_SECONDS = 300.0
WORKER = Path(__file__).with_name("worker.py")
NAMES = (
    *("coco", "voc", "yolo", "cvat, labelme, csv", "lists", "zip and map", "images", "class folders", "masks"),
    *("model headers", "pth", "recipe.json", "checkpoint.pt", "metrics.jsonl", "class map"),
    *("semantic maps", "instance masks", "config.json", "unfinished submission"),
)


@dataclass(frozen=True)
class Outcome:
    reader: str
    seed: str
    kind: str
    text: str = ""


class Worker:
    """A process that reads one input after the other; a new one after each that it does not survive."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def read(self, reader: str, seed: str) -> Outcome:
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(f"{reader} {seed}\n")
            process.stdin.flush()
            answer = self._answer(SECONDS)
        except BrokenPipeError:
            answer = ""
        if answer is None:
            self.close()
            return Outcome(reader, seed, "hang", f"more than {SECONDS:.0f} s")
        if not answer:
            code = process.wait()
            self._process = None
            return Outcome(reader, seed, "crash", f"exit code {code}")
        found = json.loads(answer)
        return Outcome(reader, seed, found["kind"], found.get("text", ""))

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            command = [sys.executable, str(WORKER)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            if not self._answer(START_SECONDS):
                raise RuntimeError("the worker does not start; run tests/hostile/worker.py to see why")
        return self._process

    def _answer(self, seconds: float) -> str | None:
        """A line, "" where the process has ended, None where none came in time."""
        assert self._process is not None and self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return self._process.stdout.readline() if ready else None


def run(inputs: int, seed: int, *, readers: tuple[str, ...] = NAMES, workers: int = 1) -> list[Outcome]:
    """`inputs` hostile inputs, the readers in turn."""
    jobs: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for number in range(inputs):
        jobs.put((readers[number % len(readers)], f"{seed}:{number // len(readers)}"))
    outcomes: list[Outcome] = []

    def work() -> None:
        worker = Worker()
        try:
            while True:
                outcomes.append(worker.read(*jobs.get_nowait()))
        except queue.Empty:
            pass
        finally:
            worker.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def table(outcomes: list[Outcome]) -> str:
    """Counts by reader and kind."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        counts[outcome.reader][outcome.kind] += 1
        counts["all"][outcome.kind] += 1
    lines = [f"{'':22}" + "".join(f"{kind:>11}" for kind in KINDS)]
    for reader in (*(name for name in NAMES if name in counts), "all"):
        lines.append(f"{reader:22}" + "".join(f"{counts[reader][kind]:>11}" for kind in KINDS))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--readers", nargs="*", default=NAMES, choices=NAMES)
    parser.add_argument("--only", nargs=2, metavar=("READER", "SEED"))
    options = parser.parse_args()
    began = time.perf_counter()
    if options.only:
        outcomes = [Worker().read(*options.only)]
        print(outcomes[0].kind, outcomes[0].text, sep="\n")
    else:
        outcomes = run(options.inputs, options.seed, readers=tuple(options.readers), workers=options.workers)
    faults = [outcome for outcome in outcomes if outcome.kind in FAULTS]
    shown: Counter[tuple[str, str]] = Counter()
    for fault in faults:
        last = fault.text.strip().splitlines()[-1][:200] if fault.text.strip() else ""
        shown[fault.reader, last[:60]] += 1
        if shown[fault.reader, last[:60]] <= 3:
            print(f"{fault.kind}: --only {fault.reader!r} {fault.seed}: {last}")
    print(table(outcomes))
    print(f"{len(outcomes)} inputs in {time.perf_counter() - began:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
