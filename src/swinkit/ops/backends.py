"""How an op with a formula and a fast way for CPUs chooses between the two; attention has more, and its own choice."""

from __future__ import annotations

from typing import Literal, get_args

from swinkit.errors import InputError

Backend = Literal["auto", "reference", "cpu"]
""""reference" is the formula, "cpu" what is laid out by hand for CPUs, "auto" the faster one that can run."""
_BACKENDS = get_args(Backend)


def chooses_cpu(op: str, backend: Backend, *, obstacle: str | None, pays: bool = True) -> bool:
    """Whether "cpu" computes, else the formula.

    Args:
        op: what the op is called in an error.
        backend: what the caller asks for.
        obstacle: why "cpu" cannot run, in one sentence, or None.
        pays: whether "cpu" is the faster one for this input.

    Raises:
        InputError: where "cpu" is asked for and cannot run, or where there is no such backend.
    """
    if backend not in _BACKENDS:
        raise InputError(f"there is no backend {backend!r} of {op}; choose one of {_BACKENDS}")
    if backend == "cpu" and obstacle is not None:
        raise InputError(f"backend 'cpu' of {op} cannot run: {obstacle}")
    return backend == "cpu" or (backend == "auto" and obstacle is None and pays)
