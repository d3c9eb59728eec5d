"""Parameter groups and optimisers, by the two published no-decay rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from swinkit.training.freezing import rate_scales
from swinkit.training.settings import OptimizerSettings

POSITION = ("absolute_pos_embed", "relative_position_bias_table")
DENSE = (*POSITION, "norm")


def has_decay(name: str, parameter: nn.Parameter, rule: str | tuple[str, ...]) -> bool:
    """Whether weight decay acts on a parameter.

    `rule` "classification": not on 1-D parameters, biases and position parameters. "dense": not on names that contain
    `norm` and position parameters; biases and batch norm weights named `bn` do decay, as in the published code. A
    tuple: not on names that contain one of its parts.
    """
    if rule == "classification":
        is_position = any(part in name for part in POSITION)
        return not is_position and parameter.ndim > 1 and not name.endswith(".bias")
    return not any(part in name for part in (DENSE if rule == "dense" else rule))


def parameter_groups(model: nn.Module, settings: OptimizerSettings) -> list[dict[str, Any]]:
    """Groups of the parameters that need a gradient: two, with and without weight decay, and with `layer_decay` two for
    each rate, from the lowest; their `lr_scale` is what the learning rate is multiplied with."""
    if settings.layer_decay is None:
        return _by_decay(model.named_parameters(), settings)
    scales = rate_scales(model, settings.layer_decay)
    groups: list[dict[str, Any]] = []
    for scale in sorted(set(scales.values())):
        own = ((name, parameter) for name, parameter in model.named_parameters() if scales[name] == scale)
        groups += [group | {"lr_scale": scale} for group in _by_decay(own, settings)]
    return groups


def _by_decay(named: Iterable[tuple[str, nn.Parameter]], settings: OptimizerSettings) -> list[dict[str, Any]]:
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in named:
        if parameter.requires_grad:
            (decayed if has_decay(name, parameter, settings.no_decay) else plain).append(parameter)
    return [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": plain, "weight_decay": 0.0}]


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group its learning rate, where `lr` is that of the heads."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"] if "lr_scale" in group else lr


def shown_rates(optimizer: torch.optim.Optimizer) -> str | None:
    """A sentence with the learning rates of all groups, which `set_rate` has set; None where there is but one."""
    rates = sorted({group["lr"] for group in optimizer.param_groups})
    if len(rates) == 1:
        return None
    listed = " ".join(f"{rate:.3g}" for rate in rates)
    return f"Peak learning rates of {len(rates)} layers, from the input to the heads: {listed}."


def build_optimizer(model: nn.Module, settings: OptimizerSettings, *, lr: float) -> torch.optim.Optimizer:
    """The optimiser of `settings` over `model`, at peak learning rate `lr`."""
    optimizer = _optimizer(model, settings, lr=lr)
    set_rate(optimizer, lr)
    return optimizer


def _optimizer(model: nn.Module, settings: OptimizerSettings, *, lr: float) -> torch.optim.Optimizer:
    groups = [group for group in parameter_groups(model, settings) if group["params"]]
    if settings.kind == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=settings.betas, eps=settings.eps)
    return torch.optim.SGD(groups, lr=lr, momentum=settings.momentum, nesterov=settings.nesterov)


def check_optimizer_state(optimizer: torch.optim.Optimizer) -> None:
    """Raises ValueError where what was loaded for a parameter is none of its own averages."""
    names = {"step", "exp_avg", "exp_avg_sq"} if isinstance(optimizer, torch.optim.AdamW) else {"momentum_buffer"}
    for parameter, values in optimizer.state.items():
        if not isinstance(values, dict) or values.keys() != names:
            raise ValueError(f"the optimiser's state of a parameter must have {', '.join(sorted(names))}")
        for name, value in values.items():
            shape = () if name == "step" else parameter.shape
            is_absent = value is None and name == "momentum_buffer"
            if not is_absent and not (isinstance(value, Tensor) and value.shape == shape and value.is_floating_point()):
                raise ValueError(f"{name} of a parameter of {tuple(parameter.shape)} is of another shape")
        if "step" in values and not 0 <= float(values["step"]) < 2**63:
            raise ValueError(f"the optimiser cannot have taken {float(values['step'])} steps")
