"""The one switch of all that is laid out by hand for CPUs, and what must hold of a tensor besides."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from swinkit.cpu.half_precision import HALF
from swinkit.errors import InputError
from swinkit.ops.constants import is_plain
from swinkit.ops.tracing import is_transformed

VARIABLE = "SWINKIT_FAST_CPU"
"""The environment variable that is read on import: 0 turns the switch off; 1, the default, on."""


def read_switch(environment: Mapping[str, str]) -> bool:
    """What `VARIABLE` says; raises InputError where it is neither 0 nor 1."""
    value = environment.get(VARIABLE) or "1"
    if value not in ("0", "1"):
        raise InputError(f"the environment variable {VARIABLE} is {value!r}; set it to 0 or 1, or unset it")
    return value == "1"


_is_on = read_switch(os.environ)


def is_fast_cpu() -> bool:
    """Whether the switch is on."""
    return _is_on


def set_fast_cpu(enabled: bool) -> None:
    """Turn the switch on or off, for all threads: off, "auto" is on a CPU what it is elsewhere."""
    global _is_on
    _is_on = enabled


@contextmanager
def fast_cpu(enabled: bool) -> Iterator[None]:
    """The switch on or off within a `with`, and afterwards as it was."""
    before = is_fast_cpu()
    set_fast_cpu(enabled)
    try:
        yield
    finally:
        set_fast_cpu(before)


def cpu_obstacle(x: Tensor) -> str | None:
    """Why work on `x` may not be laid out by hand, in one sentence; None if it may.

    It may for an ordinary float tensor on a CPU, while nothing traces, casts or counts operations; for half precision
    only without gradients, and on x86 processors, of which `half_precision` knows what they do best.
    """
    if torch.compiler.is_compiling():  # first: what follows is not for tracers
        return "torch.compile and torch.export make code of their own"
    if _is_on and x.is_cpu and is_plain(x) and x.dtype is torch.float32 and _mode_obstacle() is None:
        return None  # what is usual, at once: a model asks a hundred times for an image
    if not _is_on:
        return f"it is switched off; call swinkit.cpu.switch.set_fast_cpu(True), or unset {VARIABLE}"
    if x.device.type != "cpu":
        return f"it runs on a CPU, and the tensor is on {x.device.type}"
    if not is_plain(x):
        return f"it takes ordinary tensors, and this is a {type(x).__name__}"
    return _format_obstacle(x.dtype) or _mode_obstacle()


def _format_obstacle(dtype: torch.dtype) -> str | None:
    if dtype in (torch.float32, torch.float64):
        return None
    name = str(dtype).removeprefix("torch.")
    if dtype not in HALF:
        return f"it computes with floating-point numbers, and the tensor is {name}"
    if torch.is_grad_enabled():
        return f"it has no gradient for {name}; call it under torch.no_grad(), or train in float32 or with autocast"
    if torch.cpu.get_capabilities().get("architecture") != "x86_64":
        return f"how this processor multiplies {name} best has not been measured"
    return None


def _mode_obstacle() -> str | None:
    if torch.jit.is_tracing():
        return "torch.jit.trace records PyTorch's own operations"
    if torch.is_autocast_enabled("cpu"):
        return "autocast casts PyTorch's own operations"
    if torch._C._len_torch_dispatch_stack() != 0:
        return "a torch dispatch mode watches PyTorch's own operations"
    if is_transformed():
        return "torch.func and forward-mode gradients transform PyTorch's own operations"
    return None
