"""Everything a run needs to go on as if it had never stopped, in one file written in one step."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from swinkit.errors import InputError
from swinkit.files import written_whole


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, lists and dicts) so that `path` is always a whole checkpoint.

    Raises InputError where it cannot be written, for example on a full disk; an older checkpoint stays as it was.
    """
    advice = "free some space and start the same command again, which goes on from the checkpoint before"
    with written_whole(path, advice=advice) as temporary:
        try:
            with temporary.open("wb") as file:
                torch.save(state, file)
        except RuntimeError as error:  # torch puts a message of its own before what the system says
            cause = error.__context__
            raise cause if isinstance(cause, OSError) else OSError(str(error).partition("\n")[0]) from None


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote, on the CPU, or None where there is none yet. Nothing in the file is executed.

    Raises InputError where the file is no whole checkpoint.
    """
    if not path.exists():
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # about what a foreign file looks like; the error says enough
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a cut-off or foreign file can raise nearly anything; nothing in it was executed
        raise InputError(
            f"{path} is not a whole checkpoint ({type(error).__name__}); delete it to start anew"
        ) from None
    if not isinstance(state, dict) or not state.keys() >= {"step", "model", "optimizer"}:
        raise InputError(f"{path} is not a checkpoint of a run; delete it to start anew")
    return state
