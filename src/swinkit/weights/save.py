"""Weights written so that a file is either whole or not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from swinkit.files import written_whole


def save_weights(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Path:
    """Write tensors and a header of strings as safetensors, replacing `path` in one step.

    Args:
        path: the file to write.
        tensors: any dtypes and devices. Tensors that share memory are written one by one.
        metadata: the header. `{"format": "swinkit"}` marks official names in official order.

    Returns:
        `path`, which then holds everything.

    Raises:
        InputError: where it cannot be written (not permitted, disk full). Whatever was at `path`
            before is then still there, and nothing else is left behind.
    """
    path = Path(path)
    with written_whole(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode  # safetensors makes files that only their owner can read
        try:
            save_file(_separate(tensors), temporary, dict(metadata))
        except SafetensorError as error:
            raise OSError(str(error)) from error
        temporary.chmod(mode)
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
