"""torch.compile where it pays: each kind of block once, not each block, so that it takes no longer for deep models."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from types import FunctionType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from swinkit.cpu.packed_weights import keep_packed
from swinkit.cpu.switch import cpu_obstacle
from swinkit.layers.block import SwinBlock
from swinkit.layers.patch import PatchMerging
from swinkit.layers.unmodified import is_unmodified

M = TypeVar("M", bound=nn.Module)


def compile_model(model: M, *, dynamic: bool | None = None, backend: str | Callable[..., Any] = "inductor") -> M:
    """Compile the blocks and patch mergings of any model with a Swin Transformer in it, in place.

    Blocks of one stage that do the same share their code, whatever their weights are, so a Swin-L compiles no longer
    than a Swin-T. Weights may change afterwards, and copies of the model are not compiled.

    Float32 on a CPU, inference and training, and half precision, inference alone, take the hand-laid path of
    `swinkit.cpu`, which is faster than generated code there (docs/performance.md), unless its switch is off. For
    inference the linear layers then keep their weights in oneDNN's layout, too, which takes the memory of these weights
    once more, twice where half precision is multiplied in float32; a change is noticed unless it is made through
    `.data` and leaves the first row of a weight as it was. All else, such as a GPU, runs compiled.

    Args:
        model: a classifier, a backbone, or a detector or segmentor around one.
        dynamic: whether sizes are free; None compiles for the first size and then, once, for all.
        backend: of torch.compile.

    Returns:
        The model itself.
    """
    compiled: dict[Hashable, Callable[..., Tensor]] = {}
    for module in model.modules():
        if isinstance(module, (SwinBlock, PatchMerging)):
            kind = _kind(module)
            if kind not in compiled:
                call = _own_code(_run, f"{type(module).__name__}_{len(compiled)}")
                compiled[kind] = torch.compile(call, dynamic=dynamic, backend=backend)
            module._compiled_call_impl = partial(_call, module, compiled[kind])
            for layer in module.modules():
                if isinstance(layer, nn.Linear) and is_unmodified(layer, nn.Linear):
                    keep_packed(layer.weight)
    return model


def _call(module: nn.Module, compiled: Callable[..., Tensor], x: Tensor) -> Tensor:
    is_faster_eager = cpu_obstacle(x) is None
    return module._call_impl(x) if is_faster_eager else compiled(module, x)


def _run(module: nn.Module, x: Tensor) -> Tensor:
    return module._call_impl(x)


def _kind(module: SwinBlock | PatchMerging) -> Hashable:
    """What decides the code of a module, besides the size of its input."""
    shapes = tuple(parameter.shape for parameter in module.parameters())
    if isinstance(module, PatchMerging):
        return type(module), shapes
    attention = module.attn
    return type(module), shapes, type(attention), attention.extra_repr(), module.drop_path.rate > 0


def _own_code(function: Callable[[nn.Module, Tensor], Tensor], name: str) -> FunctionType:
    """A copy of a function with a code object of its own: torch.compile keeps what it compiled by code object, eight
    versions each, and frees a size once it has seen two, which the stages of one model must not do to each other."""
    assert isinstance(function, FunctionType)
    code = function.__code__.replace(co_name=name, co_qualname=name)
    return FunctionType(code, function.__globals__, name, function.__defaults__, function.__closure__)
