"""Small index tensors that depend only on sizes: built once per size and device, shared by every call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import TypeVar

import torch
from torch import Tensor

R = TypeVar("R")

CACHED_SIZES = 128  # a training run with changing image sizes meets new ones all the time: old ones must go


def cached_constant(build: Callable[..., R]) -> Callable[..., R]:
    """Remember what `build(sizes..., device)` returned for its last `CACHED_SIZES` different arguments.

    Tracers (torch.compile, torch.export) get the tensors built inside their graph instead, because sizes may be
    symbols there; see `is_plain` for tensors that only pretend to hold data.
    """
    remembered = functools.lru_cache(maxsize=CACHED_SIZES)(build)

    @functools.wraps(build)
    def lookup(*sizes: Hashable) -> R:
        # Where new tensors are fake, what would be remembered holds no data, and would spoil later, real results.
        if torch.compiler.is_compiling() or not is_plain(torch.empty(0)):
            return build(*sizes)
        # A tensor born in inference mode could never be used in training again.
        with torch.inference_mode(False), torch.no_grad():
            return remembered(*sizes)

    return lookup


def is_plain(x: Tensor) -> bool:
    """Whether `x` is an ordinary tensor, not a fake, functional or distributed one that must not meet cached data."""
    return type(x) in (Tensor, torch.nn.Parameter)
