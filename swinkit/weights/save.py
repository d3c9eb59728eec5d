"""Weights written so that a file is either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from swinkit.errors import InputError


def save_weights(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Path:
    """Write tensors and a header of strings as safetensors, replacing `path` in one step.

    Args:
        path: the file to write; its folder must exist.
        tensors: any dtypes and devices. Tensors that share memory are written one by one.
        metadata: the header. `{"format": "swinkit"}` marks official names in official order.

    Returns:
        `path`, which then holds everything.

    Raises:
        InputError: where it cannot be written (no such folder, not permitted, disk full). Whatever was at `path`
            before is then still there, and nothing else is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode  # safetensors makes files that only their owner can read
        save_file(_separate(tensors), temporary, dict(metadata))
        temporary.chmod(mode)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be written ({error}); check that its folder exists and has room") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors on the CPU that share no memory, as the format needs them."""
    seen: set[int] = set()
    separate: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu()
        storage = tensor.untyped_storage()
        is_own = tensor.is_contiguous() and storage.nbytes() == tensor.nbytes and storage.data_ptr() not in seen
        seen.add(storage.data_ptr())
        separate[name] = tensor if is_own else tensor.contiguous().clone()
    return separate
