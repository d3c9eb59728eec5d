"""Which layers an op may stand in for: those that nobody has replaced, hooked or parametrised."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from swinkit.ops.linear import linear


def is_unmodified(layer: nn.Module, kind: type[nn.Module]) -> bool:
    """Whether `layer` does what a `kind` does and nothing else, so that it need not be called."""
    own = vars(layer)  # read directly: blocks ask a hundred times for an image
    return (
        type(layer) is kind
        and "forward" not in own
        and not (own["_forward_hooks"] or own["_forward_pre_hooks"])
        and not (own["_backward_hooks"] or own["_backward_pre_hooks"])
        and not _has_any_global_hook()
    )


def linear_of(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """What `layer` computes: by the op where that may stand in for it, else the layer itself."""
    if is_unmodified(layer, nn.Linear):
        assert isinstance(layer, nn.Linear)
        return partial(linear, weight=layer.weight, bias=layer.bias)
    return layer
