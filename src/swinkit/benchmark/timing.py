"""Interleaved rounds: what disturbs a machine disturbs all candidates alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

Timings = dict[str, list[float]]
"""Seconds of every round, by candidate."""


def interleave(
    work: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = 2,
    settle: bool = False,
    device: torch.device | None = None,
    after_round: Callable[[], None] = lambda: None,
) -> Timings:
    """Run every candidate once a round, each round beginning with another one.

    Args:
        work: what to time, by name.
        rounds: how many rounds count.
        warm_up: how many come first and do not.
        settle: run each once more, unmeasured, right before it is measured: where there are many large models, what
            comes after them waits for its own weights, which no user of one model does.
        device: waited for after each run, where it is a GPU.
        after_round: called after every round, warm-up included.
    """
    names = list(work)
    seconds: Timings = {name: [] for name in names}
    for number in range(warm_up + rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if settle:
                work[name]()
            began = _now(device)
            work[name]()
            if number >= warm_up:
                seconds[name].append(_now(device) - began)
            else:
                _now(device)
        after_round()
    return seconds


def _now(device: torch.device | None) -> float:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
