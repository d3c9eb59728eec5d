"""A golden file: what the original code was given and what came out, as a value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from swinkit import InputError

WEIGHTS = "weights."
GRADIENTS = "gradients."
BUFFERS = ("relative_position_index", "attn_mask")
"""Endings of the names in an official state dict that are constants, not weights."""


@dataclass(frozen=True)
class Golden:
    """One file. `stored` holds every tensor but the weights, under its name in the file."""

    path: Path
    config: dict[str, Any]
    """Arguments of the original constructor; what is missing has the official default."""
    gradient_names: list[str]
    """The parameters whose norms `gradient_norms` lists."""
    weights: dict[str, Tensor]
    """A state dict of the original code, buffers included, in fp16; empty where a function was run and no model."""
    stored: dict[str, Tensor]
    metadata: dict[str, str]

    def json(self, key: str, kind: type) -> Any:
        """An entry of the metadata, parsed; raises InputError where it is not there or of another kind."""
        return _json(self.path, self.metadata, key, kind)

    def tensor(self, name: str) -> Tensor:
        """A tensor that the check cannot do without; raises InputError where it is not there."""
        if name not in self.stored:
            raise InputError(f"it has no tensor {name!r}; make the golden file again")
        return self.stored[name]


def read_golden(path: Path) -> Golden:
    """Raises InputError where the file is missing, damaged, or not a golden file."""
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{path} cannot be read as a safetensors file ({reason}); copy it again") from None
    weights = {name.removeprefix(WEIGHTS): t for name, t in tensors.items() if name.startswith(WEIGHTS)}
    config, names = _json(path, metadata, "config", dict), _json(path, metadata, "gradient_names", list)
    stored = {name: tensor for name, tensor in tensors.items() if not name.startswith(WEIGHTS)}
    return Golden(path, config, names, weights, stored, metadata)


def _json(path: Path, metadata: dict[str, str], key: str, kind: type) -> Any:
    try:
        value = json.loads(metadata.get(key, "" if key == "config" else "[]"))
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise InputError(f"the metadata of {path} has no {key!r} that is a json {kind.__name__}; make the file again")
    return value
