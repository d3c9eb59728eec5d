"""When a loss or a gradient is NaN or infinite: say where it began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor


def describe_nonfinite(task: nn.Module, batch: Any) -> str | None:
    """One clause that names the first thing that is not finite: an input, a parameter, a module's output or a loss.

    None where all is finite. Runs the batch once more, so call it before the weights change, with the random state that
    the batch was run with.
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
        # A compiled model would not notice the hooks.
        with torch.compiler.set_stance("force_eager"), torch.no_grad():
            losses = task(batch)
    finally:
        for hook in hooks:
            hook.remove()
    if found:
        return f"the output of {found[0]} is the first that is not finite"
    return None if all(_finite(loss) for loss in _tensors(losses)) else "the loss itself is not finite"


def describe_nonfinite_gradient(task: nn.Module) -> str | None:
    """One clause that names the last parameter whose gradient is not finite: the backward pass came there first.

    None where all gradients, or this process's shares of them, are finite.
    """
    for name, parameter in reversed(list(task.named_parameters())):
        gradient = parameter.grad
        if gradient is not None and not _finite(gradient.to_local() if isinstance(gradient, DTensor) else gradient):
            return f"the gradient of {name} is not finite"
    return None


def _recorder(name: str, found: list[str]) -> Callable[[nn.Module, Any, Any], None]:
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
