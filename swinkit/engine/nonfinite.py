"""When a loss is NaN or infinite: say where it began."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def describe_nonfinite(task: nn.Module, batch: Any) -> str:
    """One clause that names the first thing that is not finite: an input, a parameter, or a module's output.

    Runs the batch once more, so call it before the weights change.
    """
    for number, tensor in enumerate(_tensors(batch)):
        if not _finite(tensor):
            return f"tensor {number} of the batch is not finite"
    for name, parameter in task.named_parameters():
        if not _finite(parameter):
            return f"the parameter {name} is not finite"
    found: list[str] = []
    hooks = [
        module.register_forward_hook(_recorder(name, found))
        for name, module in task.named_modules()
        if not list(module.children())
    ]
    try:
        with torch.no_grad():
            task(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return f"the output of {found[0]} is the first that is not finite" if found else "the loss itself is not finite"


def _recorder(name: str, found: list[str]) -> Any:
    def record(module: nn.Module, inputs: Any, output: Any) -> None:
        if not all(_finite(tensor) for tensor in _tensors(output)):
            found.append(name)

    return record


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in _tensors(item)]
    return []


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
