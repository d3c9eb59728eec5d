"""Weights into a model: all of them or none, and a report of what happened to each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from swinkit.errors import InputError, border
from swinkit.weights.fit import fit_channels, fit_tensor, is_head, module_of, select_classes
from swinkit.weights.formats import COMPUTED, UNKNOWN, Recognised, recognise
from swinkit.weights.read import read_weights_file, state_tensors
from swinkit.weights.source import resolve

Shapes = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class LoadReport:
    """What became of the weights, by name. `print(report)` gives a summary."""

    format: str
    """The code base the weights come from, see `Recognised.format`."""
    loaded: tuple[str, ...]
    """The model's tensors that now hold the given weights, resized ones among them."""
    resized: dict[str, Shapes]
    """Name to (shape in the weights, shape in the model), of tensors that were resized."""
    dropped: tuple[str, ...]
    """Names in the weights that the model has no place for, and that are no loss to it."""
    missing: tuple[str, ...]
    """The model's tensors that stay as they were: output norms and heads that the weights do not have."""

    def __str__(self) -> str:
        parts = [f"{self.format} weights: {len(self.loaded)} tensors loaded"]
        if self.resized:
            name, (old, new) = next(iter(self.resized.items()))
            parts.append(f"{len(self.resized)} resized (such as {name} {old} -> {new})")
        if self.dropped:
            parts.append(f"{len(self.dropped)} not needed ({_listed(_modules(self.dropped))})")
        if self.missing:
            parts.append(f"not in the weights and left as they were: {_listed(_modules(self.missing))}")
        return "; ".join(parts)


def load_weights(
    model: nn.Module,
    source: str | Path | Mapping[str, Tensor],
    *,
    adapt_channels: bool = False,
    replace_head: bool = False,
    class_map: Sequence[int] | None = None,
) -> LoadReport:
    """Load weights of any known code base into a Swin, or into a detector or segmentor built on one.

    Tables of relative position biases are resized to another window and absolute position embeddings to another grid,
    bicubically, as in the official code. What a classifier and a feature pyramid do not share (`norm`, `head`, `norm0`
    to `norm3`) may be missing; the report says so. A backbone takes its part of a detector's or segmentor's weights.

    Args:
        model: the model to fill; dtype and device stay its own.
        source: the path of a file, the name of published weights (see `CATALOGUE`), an https URL,
            `hf-hub:owner/name[@revision]`, or the tensors themselves.
        adapt_channels: allow the patch embedding to change its number of image channels, see `fit_channels`.
        replace_head: where the weights' number of classes is another, leave the model's own head as it is.
        class_map: take these rows of the weights' classifier head, in this order (ImageNet-22K to 1K).

    Raises:
        InputError: where the source cannot be found or read, or its tensors do not fit the model, in names, shapes or
            by NaN or infinite values, which no model can use. The model is then unchanged.
    """
    if not isinstance(source, Mapping):
        source = resolve(source)
    label = "the given state dict" if isinstance(source, Mapping) else str(source)
    with border(f"{label} holds no weights that fit the model", "give others"):
        return load_recognised(
            model,
            _recognised(source, label),
            label,
            adapt_channels=adapt_channels,
            replace_head=replace_head,
            class_map=class_map,
        )


def load_recognised(
    model: nn.Module,
    recognised: Recognised,
    label: str,
    *,
    adapt_channels: bool = False,
    replace_head: bool = False,
    class_map: Sequence[int] | None = None,
) -> LoadReport:
    """`load_weights` of weights that are read already; errors call them `label`."""
    target = model.state_dict()
    tensors, dropped = _for_target(recognised, target, label)
    if class_map is not None:
        tensors = select_classes(tensors, class_map)
    if replace_head:
        fresh = _heads_of_other_classes(tensors, target)
        dropped += tuple(name for name in tensors if module_of(name) in fresh)
        tensors = {name: tensor for name, tensor in tensors.items() if module_of(name) not in fresh}
    ready = {name: _fitted(name, tensors[name], target[name], adapt_channels) for name in target if name in tensors}
    problems = _problems(ready, tensors, target, replace_head=replace_head)
    if problems:
        raise InputError(_complaint(label, recognised, problems))
    fitted = {name: tensor for name, tensor in ready.items() if tensor is not None}
    _check_finite(fitted, label)
    with torch.no_grad():
        for name, tensor in fitted.items():
            target[name].copy_(tensor)
    return LoadReport(
        format=recognised.format,
        loaded=tuple(fitted),
        resized=_resized(tensors, fitted),
        dropped=(*dropped, *(name for name in tensors if name not in target)),
        missing=tuple(name for name in target if name not in fitted),
    )


def _recognised(source: Path | Mapping[str, Tensor], label: str) -> Recognised:
    """The weights under official names."""
    if isinstance(source, Mapping):
        return recognise(state_tensors(source, label))
    file = read_weights_file(source)
    return recognise(file.tensors, file.metadata)


def _for_target(
    recognised: Recognised, target: Mapping[str, Tensor], label: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The part of the weights that is meant for a model with these names, and what was left out of them."""
    has_backbone = any(name.startswith("backbone.") for name in target)
    if has_backbone == recognised.is_whole_model or recognised.format == UNKNOWN:
        return recognised.tensors, recognised.dropped
    if has_backbone:
        raise InputError(
            f"{label} holds a backbone or classifier, but the model has heads around its backbone; "
            "load it into model.backbone"
        )
    inside = {
        name.removeprefix("backbone."): t for name, t in recognised.tensors.items() if name.startswith("backbone.")
    }
    outside = tuple(name for name in recognised.tensors if not name.startswith("backbone."))
    return inside, (*recognised.dropped, *outside)


def _fitted(name: str, tensor: Tensor, wanted: Tensor, adapt_channels: bool) -> Tensor | None:
    """The tensor in the model's shape and dtype; None where it cannot be made to fit."""
    if tensor.is_floating_point() != wanted.is_floating_point():
        return None
    tensor = tensor.to(wanted.dtype)
    is_projection = name.endswith("patch_embed.proj.weight") and tensor.ndim == wanted.ndim == 4
    if adapt_channels and is_projection and tensor.shape[1] != wanted.shape[1]:
        tensor = fit_channels(tensor, wanted.shape[1])
    return fit_tensor(name, tensor, wanted.shape)


def _heads_of_other_classes(tensors: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> set[str]:
    """Modules whose number of classes differs, and nothing else."""
    return {
        module_of(name)
        for name, wanted in target.items()
        if is_head(name)
        and name in tensors
        and tensors[name].shape != wanted.shape
        and tensors[name].shape[1:] == wanted.shape[1:]
    }


def _problems(
    ready: Mapping[str, Tensor | None],
    tensors: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    *,
    replace_head: bool,
) -> list[str]:
    """What keeps the weights from fitting, one phrase each, wrong shapes first."""
    given = {module_of(name) for name in tensors}
    problems = [
        f"{name} is {_described(tensors[name])} in the weights and {_described(target[name])} in the model"
        for name, tensor in ready.items()
        if tensor is None
    ]
    for name, wanted in target.items():
        is_fresh = replace_head and is_head(name) and module_of(name) not in given
        if name not in tensors and not is_fresh and not _may_be_missing(name, given):
            problems.append(f"{name} {tuple(wanted.shape)} of the model is not in the weights")
    modules = _ancestors(target)
    for name, tensor in tensors.items():
        if name not in target and not _may_be_dropped(name, modules):
            problems.append(f"{name} {tuple(tensor.shape)} of the weights is not in the model")
    return problems


def _may_be_missing(name: str, given: set[str]) -> bool:
    """Norms, heads, the block of global attention and the pyramid of DeiT, which only one kind of model has, if wholly
    absent; and counters that no result depends on."""
    module = module_of(name).removeprefix("backbone.")
    is_optional = re.fullmatch(r"norm\d*|head", module) is not None and module_of(name) not in given
    is_pyramid = module.startswith(("up4", "up8")) and not any(re.match(r"(backbone\.)?up\d", each) for each in given)
    is_block = module.startswith("global_block.") and not any("global_block." in each for each in given)
    return is_optional or is_block or is_pyramid or name.endswith("num_batches_tracked")


def _may_be_dropped(name: str, modules: set[str]) -> bool:
    """Whole parts that the model does not have: never of the Swin itself, and never one more layer of a list."""
    if name.removeprefix("backbone.").startswith(("patch_embed.", "layers.", "absolute_pos_embed")):
        return False
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        if ".".join(parts[:depth]) not in modules:
            return not parts[depth - 1].isdigit() and depth < len(parts)
    return False


def _ancestors(names: Iterable[str]) -> set[str]:
    """Every module on the way to these names."""
    return {name[:end] for name in names for end in range(len(name)) if name[end] == "."}


def _resized(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, Shapes]:
    """Those that hold another number of values now; a mere change of layout is none."""
    return {
        name: (tuple(before[name].shape), tuple(tensor.shape))
        for name, tensor in after.items()
        if before[name].numel() != tensor.numel()
    }


def _check_finite(tensors: Mapping[str, Tensor], label: str) -> None:
    for name, tensor in tensors.items():
        # A finite sum has finite terms, and costs a tenth of looking at each; only an infinite one needs the look.
        is_suspect = tensor.is_floating_point() and not tensor.sum(dtype=torch.float32).isfinite()
        if is_suspect and not tensor.isfinite().all():
            raise InputError(
                f"{name} in {label} has NaN or infinite values (in the model's {tensor.dtype}); "
                "take an earlier checkpoint or download the file again"
            )


def _complaint(label: str, recognised: Recognised, problems: list[str]) -> str:
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    return f"{label} does not fit the model: {'; '.join(problems[:3])}{more}; {_advice(recognised, problems)}"


def _advice(recognised: Recognised, problems: list[str]) -> str:
    if recognised.format == UNKNOWN:
        return f"its names are of no known Swin ({_listed(tuple(recognised.tensors))})"
    shape_problems = [problem.split(" ")[0] for problem in problems if " in the weights and " in problem]
    if len(shape_problems) == len(problems) and all(is_head(name) for name in shape_problems):
        return "for another number of classes pass replace_head=True, which keeps the model's own head"
    if len(problems) == 1 and shape_problems and shape_problems[0].endswith("patch_embed.proj.weight"):
        return "for another number of image channels pass adapt_channels=True"
    return "build the model that these weights belong to (variant, options), or give weights of this one"


def _described(tensor: Tensor) -> str:
    kind = "" if tensor.is_floating_point() else f" {str(tensor.dtype).removeprefix('torch.')}"
    return f"{tuple(tensor.shape)}{kind}"


def _modules(names: tuple[str, ...]) -> tuple[str, ...]:
    """What these tensors belong to, each once: their modules, and for buffers of every block only their own name."""

    def shortened(name: str) -> str:
        module, _, leaf = name.rpartition(".")
        return leaf if leaf in COMPUTED else module if leaf in ("weight", "bias") else name

    return tuple(dict.fromkeys(shortened(name) for name in names))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
