"""Runs that are killed, interrupted and started twice, as short programs.

    python tests/hostile/runs.py kill --count 100        # SIGKILL at random moments of the three tasks
    python tests/hostile/runs.py interrupt --count 100   # SIGINT; --signal TERM, HUP
    python tests/hostile/runs.py together --count 50     # two and four starts at once in one folder

Every run goes on afterwards, and must end with the very bits of one that nobody disturbed. A line for each, a sum at
the end, exit code 1 where one failed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

import sessions  # noqa: E402
from run_results import assert_same_run  # noqa: E402

TASKS = {
    "classification": (
        *("train", "digits", *sessions.TINY, "--epochs", "2", "--checkpoint-every", "7", "--batch-size", "48"),
        *("--workers", "2"),
    ),
    "segmentation": ("train", "digit_scenes_segmentation", *sessions.TINY_SCENES, "--checkpoint-every", "7"),
    "detection": ("train", "coco_mask_rcnn_swin_t_1x", *sessions.TINY_DIGIT_OBJECTS, "--checkpoint-every", "4"),
}
MOST_SECONDS = 10.0
"""From a signal to the end of the process."""


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbed, and how long it took."""

    root: Path
    seconds: float


def whole_run(task: str, folder: Path) -> Whole:
    sessions.run(["--version"], folder / "log")  # starts the server that the others are forked from
    began = time.perf_counter()
    assert sessions.run([*TASKS[task], "--run-dir", str(folder / "whole")], folder / "log") == 0, log_of(folder)
    return Whole(folder / "whole", time.perf_counter() - began)


def log_of(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-2000:]


def disturbed(task: str, whole: Whole, folder: Path, number: signal.Signals, draw: random.Random) -> str:
    """One run that gets a signal at a random moment and goes on; "" where all is well."""
    folder.mkdir()
    command = [*TASKS[task], "--run-dir", str(folder / "run")]
    process = sessions.start(command, folder / "log")
    time.sleep(draw.uniform(0, whole.seconds))
    was_alive = process.is_alive()
    if was_alive and process.pid is not None:
        os.kill(process.pid, number)
    began = time.perf_counter()
    process.join(3 * MOST_SECONDS)
    took = time.perf_counter() - began
    if process.is_alive():
        process.kill()
        return f"still there {took:.0f} s after the signal: {log_of(folder)}"
    if number != signal.SIGKILL:
        expected = {0, 128 + number} | ({-number} if not (folder / "log").exists() else set())
        text = log_of(folder)
        if process.exitcode not in expected or (was_alive and took > MOST_SECONDS):
            return f"exit code {process.exitcode} after {took:.1f} s: {text}"
        if "Traceback" in text or "free some space" in text:
            return f"said {text}"
    code = sessions.run(command, folder / "log")
    if code != 0:
        return f"does not go on ({code}): {log_of(folder)}"
    try:
        assert_same_run(whole.root, folder / "run")
    except AssertionError as error:
        return f"ended otherwise: {str(error)[:500]}"
    return ""


def together(task: str, whole: Whole, folder: Path, count: int) -> str:
    """`count` starts at once in one folder: one trains, the others are refused in a sentence, the result is whole."""
    folder.mkdir()
    command = [*TASKS[task], "--run-dir", str(folder / "run")]
    logs = [folder / f"log{number}" for number in range(count)]
    processes = [sessions.start(command, log) for log in logs]
    for process in processes:
        process.join()
    codes = sorted(process.exitcode or 0 for process in processes)
    texts = [log.read_text(errors="replace") for log in logs]
    refused = [text for text in texts if "another run is training in" in text]
    # A start that comes when the first has ended finds a finished run, and says so.
    done = [text for text in texts if "finished before" in text]
    if set(codes) - {0, 2} or len(refused) != codes.count(2) or len(refused) + len(done) != count - 1:
        return f"exit codes {codes}: {[text[-500:] for text in texts]}"
    try:
        assert_same_run(whole.root, folder / "run")
    except AssertionError as error:
        return f"damaged: {str(error)[:500]}"
    return ""


def campaign(what: str, count: int, seed: int, number: signal.Signals, folder: Path) -> Counter[str]:
    """So many disturbances, the tasks in turn."""
    draw = random.Random(seed)
    wholes: dict[str, Whole] = {}
    found: Counter[str] = Counter()
    for index in range(count):
        task = list(TASKS)[index % len(TASKS)]
        if task not in wholes:
            (folder / task).mkdir()
            wholes[task] = whole_run(task, folder / task)
        place = folder / task / str(index)
        if what == "together":
            fault = together(task, wholes[task], place, 2 + 2 * (index % 2))
        else:
            fault = disturbed(task, wholes[task], place, signal.SIGKILL if what == "kill" else number, draw)
        found["fault" if fault else "sound"] += 1
        print(f"{index + 1}/{count} {task}: {fault or 'sound'}", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kill", "interrupt", "together"))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--signal", choices=("INT", "TERM", "HUP"), default="INT")
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        number = signal.Signals[f"SIG{options.signal}"]
        found = campaign(options.what, options.count, options.seed, number, Path(folder))
    print(f"{dict(found)} in {time.perf_counter() - began:.0f} s")
    return 1 if found["fault"] else 0


if __name__ == "__main__":
    sys.exit(main())
