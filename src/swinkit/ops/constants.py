"""Small index tensors that depend only on sizes: built once per size and device, shared by every call."""

from __future__ import annotations

import functools
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from swinkit.ops.tracing import is_plainly_run

R = TypeVar("R")

MOST_BYTES = {"cpu": 4 * 2**20}
"""Of all remembered tensors of a kind of device together: images of changing sizes meet new ones all the time, so old
ones must go."""
MOST_BYTES_ELSEWHERE = 256 * 2**20
MOST_ENTRIES = 1000


def cached_constant(build: Callable[..., R]) -> Callable[..., R]:
    """Remember what `build(sizes..., device)` returned, the latest of all within `MOST_BYTES`.

    Tracers get the tensors built inside their graph instead, because sizes may be symbols there, and so do transforms,
    whose tensors must not outlive them; see `is_plain` for tensors that only pretend to hold data.
    """

    @functools.wraps(build)
    def lookup(*sizes: Hashable) -> R:
        # Where new tensors are fake, what would be remembered holds no data, and would spoil later, real results.
        if torch.compiler.is_compiling() or not is_plainly_run() or not is_plain(torch.empty(0)):
            return build(*sizes)
        found: R = _remembered(build, sizes)
        return found

    return lookup


class _Entry(NamedTuple):
    value: Any
    device: str
    size: int
    """Bytes."""


_entries: OrderedDict[tuple[Hashable, ...], _Entry] = OrderedDict()
_sizes: Counter[str] = Counter()
"""Bytes of all entries of a kind of device."""
_lock = threading.Lock()


def _remembered(build: Callable[..., Any], arguments: tuple[Hashable, ...]) -> Any:
    key = (build, *arguments)
    with _lock:
        known = _entries.get(key)
        if known is not None:
            _entries.move_to_end(key)
            return known.value
    # A tensor born in inference mode could never be used in training again.
    with torch.inference_mode(False), torch.no_grad():
        value = build(*arguments)
    tensors = [value] if isinstance(value, Tensor) else list(value)
    device, size = tensors[0].device.type, sum(tensor.untyped_storage().nbytes() for tensor in tensors)
    most = MOST_BYTES.get(device, MOST_BYTES_ELSEWHERE)
    with _lock:
        if key not in _entries and size <= most:
            _entries[key] = _Entry(value, device, size)
            _sizes[device] += size
        while _sizes[device] > most or len(_entries) > MOST_ENTRIES:
            oldest = next(each for each, entry in _entries.items() if entry.device == device)
            _sizes[device] -= _entries.pop(oldest).size
    return value


def is_plain(x: Tensor) -> bool:
    """Whether `x` is an ordinary tensor, not a fake, functional or distributed one that must not meet cached data."""
    return type(x) in (Tensor, torch.nn.Parameter)
