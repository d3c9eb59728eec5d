"""Weights files, read safely: safetensors and PyTorch files, told apart by content; nothing in them is executed."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from swinkit.errors import InputError, border, reason_of
from swinkit.files import BoundedFile, is_folder, require_regular
from swinkit.weights.bounds import check_tensors, check_torch_file
from swinkit.weights.class_names import class_names_beside, class_names_of, palette_of
from swinkit.weights.pickles import (
    PlaceholderKind,
    foreign_globals,
    is_harmless,
    is_legacy_torch,
    kind_wanted,
    placeholder,
    refused_global,
    zipped_pickle,
)

PROGRAM_SUFFIX = ".pt2"
MOST_PLACEHOLDERS = 200
"""So many kinds of objects beside the weights are passed over."""


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file holds, under the names it holds it."""

    path: Path
    tensors: dict[str, Tensor]
    """On the CPU, in the file's own dtypes."""
    metadata: dict[str, str]
    """The header of a safetensors file; empty for PyTorch files."""
    classes: tuple[str, ...] = ()
    """Class names: of the `meta` of official and OpenMMLab files, or of transformers' config.json beside the file."""
    palette: tuple[tuple[int, int, int], ...] = ()
    """A colour (red, green, blue, 0..255) for each class, of OpenMMLab's files."""


def read_weights_file(path: str | Path) -> WeightsFile:
    """The tensors of a safetensors or PyTorch file, whatever its suffix.

    PyTorch files may wrap their tensors in `state_dict` or `model` (or one in the other); everything that is not a
    tensor is ignored. Nothing is executed: PyTorch files are read with `weights_only=True`, and objects of other
    libraries beside the tensors (a yacs config, mmengine's HistoryBuffer) become empty placeholders.

    Raises:
        InputError: where the file is missing, a folder, empty, truncated, no weights file, without tensors, or would
            have to be unpickled; in the last case it names what the pickle would have imported.
    """
    path = Path(path)
    start = _first_bytes(path)
    if start[8:9] == b"{":
        return _read_safetensors(path)
    if path.suffix == PROGRAM_SUFFIX:
        raise InputError(
            f"{path} is a PyTorch program, for torch.export.load; swinkit runs none, as loading it may execute what is "
            "in it: give the checkpoint, or what swinkit export --to onnx makes of it"
        )
    if start.startswith(b"PK\x03\x04") or is_legacy_torch(start):
        check_torch_file(path)
        payload = _load_torch(path)
        tensors = state_tensors(payload, str(path))
        check_tensors(tensors, path)
        names = class_names_of(payload) or class_names_beside(path)
        return WeightsFile(path, tensors, {}, names, palette_of(payload))
    if start[:1] == b"\x80":
        raise _plain_pickle(path)
    raise InputError(
        f"{path} is not a weights file (neither safetensors nor PyTorch); if it was downloaded, download it again"
    )


def check_is_weights(path: Path) -> None:
    """Raises InputError where a file, by what it begins and ends with, is no whole safetensors or PyTorch file."""
    start = _first_bytes(path)
    if start[8:9] == b"{":
        with border(f"{path} is no whole safetensors file", "download it again"), safe_open(path, framework="pt"):
            return
    if start.startswith(b"PK\x03\x04"):
        with border(f"{path} is no whole PyTorch file", "download it again"), zipfile.ZipFile(path):
            return
    if not is_legacy_torch(start):
        shown = start[:15].decode("ascii", "replace")
        raise InputError(f"{path} is no weights file, as it begins with {shown!r}; give the address of one")


def state_tensors(payload: object, label: str) -> dict[str, Tensor]:
    """The tensors in what a checkpoint holds: of its `state_dict` or `model`, at most two deep, or of itself.

    Raises InputError, naming `label`, where there are none.
    """
    for _ in range(2):
        if isinstance(payload, Mapping):
            inner = [payload[key] for key in ("state_dict", "model") if isinstance(payload.get(key), Mapping)]
            payload = inner[0] if inner else payload
    entries = payload.items() if isinstance(payload, Mapping) else ()
    tensors = {name: value.detach() for name, value in entries if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise InputError(f"{label} holds no tensors under names, so it is not a weights file; give it a state dict")
    return tensors


def _first_bytes(path: Path) -> bytes:
    if is_folder(path):
        raise InputError(f"{path} is a folder; give the path of a weights file in it")
    try:
        require_regular(path)
        with path.open("rb") as file:
            start = file.read(32)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give the path of a weights file") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({reason_of(error)}); check the path and its permissions") from error
    if not start:
        raise InputError(f"{path} is empty (0 bytes); copy or download it again")
    return start


def _read_safetensors(path: Path) -> WeightsFile:
    with border(f"{path} is truncated, damaged or no weights file", "copy or download it again"):
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
            metadata = dict(file.metadata() or {})
        tensors = state_tensors(tensors, str(path))
        check_tensors(tensors, path)
    return WeightsFile(path, tensors, metadata, class_names_beside(path))


def _load_torch(path: Path) -> object:
    """What the file holds, with placeholders for what is of other libraries."""
    names = [name for name in foreign_globals(zipped_pickle(path)) if is_harmless(name)]
    kinds: dict[str, PlaceholderKind] = dict.fromkeys(names[:MOST_PLACEHOLDERS], "object")
    while True:
        stands_for: list[Any] = [(placeholder(name, kind), name) for name, kind in kinds.items()]
        try:
            with torch.serialization.safe_globals(stands_for), warnings.catch_warnings(action="ignore"):
                return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file can make the reader fail in any way
            if type(error).__name__ != "UnpicklingError":
                raise _damaged(path, error) from error
            if not _learned(kinds, str(error)):
                raise _refusal(path, str(error)) from error


def _learned(kinds: dict[str, PlaceholderKind], message: str) -> bool:
    """Whether an error of PyTorch's safe reader tells of one more placeholder, or of one that must be a dict."""
    name, wanted = refused_global(message), kind_wanted(message, kinds)
    if name is not None and name not in kinds and is_harmless(name) and len(kinds) < MOST_PLACEHOLDERS:
        kinds[name] = "object"
        return True
    if wanted is not None and kinds[wanted[0]] == "object":
        kinds[wanted[0]] = wanted[1]
        return True
    return False


def _refusal(path: Path, message: str) -> InputError:
    """The error for a file that holds more than tensors, plain values and records of other libraries."""
    name = refused_global(message)
    if name is None or is_harmless(name):
        foreign = [each for each in foreign_globals(zipped_pickle(path)) if not is_harmless(each)]
        name = foreign[0] if foreign else name
    if name is not None:
        return InputError(
            f"{path} holds pickled objects ({name}) that swinkit will not execute; "
            "save only the model's state_dict() where the file was made"
        )
    return InputError(
        f"{path} is damaged or holds more than tensors and plain values, which swinkit will not execute; "
        "save the model's state_dict() with torch.save or safetensors"
    )


def _plain_pickle(path: Path) -> InputError:
    with BoundedFile(path) as file:
        foreign = foreign_globals(file.read(64 * 2**20))
    if not foreign:
        return InputError(f"{path} is a Python pickle without tensors, not a weights file")
    return InputError(
        f"{path} is a Python pickle with objects ({foreign[0]}) that swinkit will not execute; "
        "save the model's state_dict() with torch.save or safetensors"
    )


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is truncated, damaged or no weights file ({reason_of(error)}); copy or download it again"
    )
