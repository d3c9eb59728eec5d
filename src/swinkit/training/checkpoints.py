"""Everything a run needs to go on as if it had never stopped, in one file written in one step."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from swinkit.errors import InputError, border, reason_of
from swinkit.files import require_regular, written_whole
from swinkit.weights.bounds import check_torch_file


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int
    """Steps of the weights so far."""
    best: float | None
    """The best value of the task's `best_metric`."""
    results: dict[str, float]
    """The last evaluation."""
    evaluated: bool = True
    """Whether the evaluation that is due after this step, if one is, was done before the run was stopped."""
    stale: int = 0
    """Evaluations in a row that brought no better value."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, lists and dicts) so that `path` is always a whole checkpoint.

    Raises InputError where it cannot be written, for example on a full disk; an older checkpoint stays as it was.
    """
    again = "start the same command again, which goes on from the checkpoint before"
    with written_whole(path, advice=f"free some space and {again}") as temporary:
        try:
            with temporary.open("wb") as file:
                torch.save(state, file)
        except RuntimeError as error:  # torch puts a message of its own in place of what was raised while it wrote
            cause: BaseException | None = error.__context__
            if isinstance(cause, (OSError, KeyboardInterrupt)):
                raise cause from None
            raise InputError(f"cannot save {path} ({reason_of(error)}); {again}") from error


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote, on the CPU, or None where there is none yet. Nothing in the file is executed.

    Raises InputError where the file is no whole checkpoint.
    """
    if not path.exists():
        return None
    anew = "delete it to start anew"
    with border(f"{path} is not a whole checkpoint", anew):
        require_regular(path)
        try:
            check_torch_file(path)
            with warnings.catch_warnings(action="ignore"):  # about what a foreign file looks like
                state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a cut-off or foreign file can raise nearly anything; nothing in it was executed
            raise InputError(f"{path} is not a whole checkpoint ({type(error).__name__}); {anew}") from None
    if not isinstance(state, dict) or not state.keys() >= {"step", "model", "optimizer"}:
        raise InputError(f"{path} is not a checkpoint of a run; {anew}")
    return state


def progress_of(state: dict[str, Any], path: Path) -> Progress:
    """How far the run of a checkpoint has come; raises InputError where it does not say so."""
    step, best, results = state["step"], state.get("best"), state.get("results")
    evaluated, stale = state.get("evaluated", True), state.get("stale", 0)
    is_sound = (
        type(step) is int
        and 0 <= step < 2**53
        and (best is None or _is_number(best))
        and isinstance(results, dict)
        and all(isinstance(name, str) and _is_number(value) for name, value in results.items())
        and isinstance(evaluated, bool)
        and type(stale) is int
        and 0 <= stale < 2**53
    )
    if not is_sound or not isinstance(results, dict):
        raise InputError(f"{path} is damaged (its step, best value or results are none); delete it to start anew")
    return Progress(step, best, dict(results), evaluated, stale)


def _is_number(value: object) -> bool:
    """Whether it is a float, also one that is not finite, or a whole number that a float holds."""
    return type(value) is float or (type(value) is int and abs(value) < 2**63)
