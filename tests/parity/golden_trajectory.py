"""Whole runs of stored steps, made again by swinkit's own loop: rates, losses, gradient norms, groups, weights.

The file's published configuration becomes settings where the recipes' does (`swinkit.recipes.official_training`), the
task is that of the recipes with the file's batches, and `swinkit.training.loop.run_loop` trains it. What happened is
read off the run's own metrics, and off the optimizer and the parameters at every step of it. Nothing is trained here.

Tolerances are those of the golden files' README. U is the number of stored updates; a step is an update.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from golden_comparison import GRADIENT_NORMS, Comparison, compare_exactly, compare_values, miss
from golden_file import Golden
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from swinkit import InputError
from swinkit.training.loop import TrainingSettings, run_loop
from swinkit.training.processes import Processes
from swinkit.training.run_folder import open_run_folder
from swinkit.training.task import Task

RATES = 1e-9
LOSSES = 1e-5
GRADIENT_NORM = 1e-4
SMALL_NORM = 1e-3
"""Norms of a parameter's gradient below this are compared as if they were as large."""
LAST = 2e-3
EARLY = 3e-3
WHOLE = 5e-4
ENTRY = 0.03
"""Of the summed rates."""
STATISTICS = 1e-4
INVISIBLE = 1e-6
"""Where the rates used so far sum up to less, no weight moves by more than its rounding: the same in absolute terms."""


@dataclass(frozen=True)
class StoredRun:
    """What a kind of file gives: a task with weights, the batches of its U steps, and how it is trained."""

    task: Task
    batches: list[list[Any]]
    """Of each stored step its micro-batches."""
    settings: TrainingSettings
    epoch_steps: int
    epoch_batches: int
    losses: dict[str, str] = field(default_factory=dict)
    """Names of the task's losses to names in the file."""


@dataclass
class Record:
    """What a run did, by step, counted from 0."""

    metrics: list[dict[str, float]] = field(default_factory=list)
    micro_losses: list[float] = field(default_factory=list)
    parameter_norms: list[dict[str, float]] = field(default_factory=list)
    """Of every parameter's gradient, before clipping."""
    states: list[dict[str, Tensor]] = field(default_factory=list)
    """The model after the step."""
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the optimizer holds for each parameter: weight_decay, betas, eps."""
    rates: list[dict[str, float]] = field(default_factory=list)
    """Of every parameter, as the step used it."""


class StoredBatches:
    """The batches of a file as `swinkit.training.task.TrainingBatches`; the run ends where they do."""

    def __init__(self, run: StoredRun) -> None:
        self.steps_per_epoch = run.epoch_steps
        self.batches_per_epoch = run.epoch_batches
        self._steps = run.batches

    def batches(self, start: int, stop: int) -> Iterator[Any]:
        for step in range(start, stop):
            if step == len(self._steps):
                raise EndOfFile
            yield from self._steps[step]


class EndOfFile(Exception):
    """The file has no more steps than were taken."""


class NotEvaluated:
    """A task without validation images, in front of a task's class."""

    def evaluate(self, step: Callable[[int], object] = lambda done: None) -> dict[str, float]:
        return {self.best_metric: 0.0}  # type: ignore[attr-defined]


def retrace(run: StoredRun) -> Record:
    """Train as the file was trained, and tell what happened."""
    run.task.batches = StoredBatches(run)
    loop = replace(
        run.settings.loop, precision="fp32", log_every=1, evaluate_every_steps=10**9, workers=0, device="cpu"
    )
    schedule = replace(run.settings.schedule, fit_short_runs=False)  # the stored runs are all warm-up and milestones
    settings = replace(run.settings, loop=loop, schedule=schedule)
    alone = Processes(0, 1, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder, _recorded(run.task) as record:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(EndOfFile):
            run_loop(run.task, settings, open_run_folder(Path(folder), {}), alone)
        lines = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        record.metrics = [line for line in map(json.loads, lines) if "train/loss" in line]
    return record


@contextlib.contextmanager
def _recorded(task: Task) -> Iterator[Record]:
    """What the optimizer and the parameters of `task` go through inside."""
    record, norms = Record(), {}
    names = {parameter: name for name, parameter in task.model.named_parameters()}

    def after_gradient(parameter: nn.Parameter) -> None:
        assert parameter.grad is not None
        norms[names[parameter]] = parameter.grad.double().norm().item()

    def before_step(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        record.parameter_norms.append(dict(norms))
        norms.clear()
        groups = {names[each]: group for group in optimizer.param_groups for each in group["params"]}
        record.rates.append({name: group["lr"] for name, group in groups.items()})
        record.groups = {name: {k: v for k, v in group.items() if k != "params"} for name, group in groups.items()}

    def after_step(*_: Any) -> None:
        record.states.append({name: tensor.clone() for name, tensor in task.model.state_dict().items()})

    def after_forward(_: nn.Module, __: Any, losses: dict[str, Tensor]) -> None:
        record.micro_losses.append(sum(float(loss.detach()) for loss in losses.values()))

    handles = [parameter.register_post_accumulate_grad_hook(after_gradient) for parameter in names]
    handles += [register_optimizer_step_pre_hook(before_step), register_optimizer_step_post_hook(after_step)]
    handles.append(task.register_forward_hook(after_forward))
    try:
        yield record
    finally:
        for handle in handles:
            handle.remove()


def compare_run(golden: Golden, run: StoredRun, record: Record) -> list[Comparison]:
    """Every stored tensor of the run but those of one kind of task alone."""
    steps = len(golden.tensor("losses"))
    if len(record.metrics) != steps or len(record.states) != steps:
        return [miss("losses", f"{len(record.metrics)} steps were taken, the file has {steps}")]
    lines = [
        _relative("losses", [each["train/loss"] for each in record.metrics], golden, LOSSES),
        _relative("gradient_norm", [each["train/grad_norm"] for each in record.metrics], golden, GRADIENT_NORM),
        *_compare_groups(golden, record),
        *_compare_norms(golden, record),
    ]
    lines += [
        _relative(theirs, [each[f"train/{ours}"] for each in record.metrics], golden, LOSSES)
        for ours, theirs in run.losses.items()
        if f"train/{ours}" in record.metrics[0] and theirs in golden.stored
    ]
    return lines + _compare_states(golden, record)


def _relative(name: str, ours: list[float], golden: Golden, tolerance: float) -> Comparison:
    """The largest relative difference of U numbers, and in which step."""
    theirs = golden.tensor(name).double()
    if len(ours) != len(theirs):
        return miss(name, f"ours are {len(ours)}, the file's {len(theirs)}")
    apart = (torch.tensor(ours, dtype=torch.float64) - theirs).abs() / theirs.abs().clamp(min=1e-12)
    return Comparison(name, apart.max().item(), tolerance, f"step {int(apart.argmax()) + 1} of {len(theirs)}")


def _compare_groups(golden: Golden, record: Record) -> list[Comparison]:
    """Decay, betas and epsilon of every parameter, by its name, and the rate that each step gave it."""
    groups = golden.json("groups", list)
    theirs = golden.tensor("learning_rates").double()
    named = [(name, number, group) for number, group in enumerate(groups) for name in group["names"]]
    lost = sorted({name for name, _, _ in named} ^ record.groups.keys())
    if lost or theirs.shape != (len(record.rates), len(groups)):
        return [miss("learning_rates", f"other parameters are trained: {', '.join(lost[:3])}")]
    wrong = [name for name, _, group in named if not _is_same_group(group, record.groups[name])]
    ours = torch.tensor([[rates[name] for name, _, _ in named] for rates in record.rates], dtype=torch.float64)
    expected = theirs[:, [number for _, number, _ in named]]
    apart = ((ours - expected).abs() / expected.abs().clamp(min=1e-300)).max().item()
    note = f"of {len(named)} parameters" + (f": {', '.join(wrong[:3])}" if wrong else "")
    return [
        Comparison("groups", float(len(wrong)), 0.0, note),
        Comparison("learning_rates", apart, RATES, f"{theirs.shape[0]} steps, {len(groups)} groups"),
    ]


def _is_same_group(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    keys = [key for key in ("weight_decay", "betas", "eps", "momentum", "nesterov") if key in theirs]
    return all(_listed(ours.get(key)) == _listed(theirs[key]) for key in keys)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _compare_norms(golden: Golden, record: Record) -> list[Comparison]:
    """A line for every parameter: the worst step."""
    theirs = golden.tensor("parameter_gradient_norms").double()
    names = golden.gradient_names
    if theirs.shape != (len(record.parameter_norms), len(names)):
        return [miss("parameter_gradient_norms", f"it is {tuple(theirs.shape)} for {len(names)} names")]
    strange = sorted({name for norms in record.parameter_norms for name in norms} - set(names))
    if strange:
        return [miss("parameter_gradient_norms", f"the file has no gradient of {', '.join(strange[:3])}")]
    ours = torch.tensor([[norms.get(name, 0.0) for name in names] for norms in record.parameter_norms])
    apart = (ours.double() - theirs).abs() / theirs.clamp(min=SMALL_NORM)
    worst, step = apart.max(0)
    return [
        Comparison(f"parameter_gradient_norms {name}", error.item(), GRADIENT_NORMS, f"step {int(at) + 1}")
        for name, error, at in zip(names, worst, step, strict=True)
    ]


def _compare_states(golden: Golden, record: Record) -> list[Comparison]:
    """Weights and running statistics after the stored steps, and the whole model after each."""
    left_out = {name: (first, last) for name, first, last in golden.json("undetermined", list)}
    rates = torch.tensor([max(each.values()) for each in record.rates], dtype=torch.float64).cumsum(0)
    stored = sorted({int(name.split(".")[1]) for name in golden.stored if name.startswith("after.")})
    lines = []
    for number in stored:
        if not 1 <= number <= len(record.states):
            lines.append(miss(f"after.{number}", f"there are {len(record.states)} steps"))
            continue
        is_last = number == stored[-1]
        lines += _compare_state(
            golden, number, record.states[number - 1], left_out, summed=float(rates[number - 1]), is_last=is_last
        )
    return lines


def _compare_state(
    golden: Golden,
    number: int,
    state: dict[str, Tensor],
    left_out: dict[str, tuple[int, int]],
    *,
    summed: float,
    is_last: bool,
) -> list[Comparison]:
    """Of each tensor the norm of the difference over that of the stored change since the beginning."""
    lines, differences, changes, entries = [], 0.0, 0.0, 0.0
    begin = f"after.{number}."
    for name in [name.removeprefix(begin) for name in golden.stored if name.startswith(begin)]:
        theirs, ours = golden.stored[begin + name], state.get(name)
        if ours is None or ours.numel() != theirs.numel():
            lines.append(miss(begin + name, "our model has no such tensor"))
            continue
        if name not in golden.gradient_names:
            is_count = not theirs.is_floating_point()
            line = (compare_exactly if is_count else compare_values)(begin + name, ours, theirs)
            lines.append(line if is_count else replace(line, tolerance=STATISTICS))
            continue
        difference, change = (_without(each, left_out.get(name)) for each in _moved(ours, theirs, golden.weights[name]))
        far = difference.abs().max().item() if difference.numel() else 0.0
        entries = max(entries, far)
        differences, changes = differences + difference.square().sum().item(), changes + change.square().sum().item()
        if summed <= INVISIBLE:
            lines.append(Comparison(begin + name, far, INVISIBLE, "absolute: no weight has moved visibly"))
        else:
            share = difference.norm().item() / (change.norm().item() or INVISIBLE)
            lines.append(Comparison(begin + name, share, LAST if is_last else EARLY))
    if summed > INVISIBLE and is_last:
        lines.append(Comparison(f"after.{number} whole", (differences / (changes or 1.0)) ** 0.5, WHOLE))
        lines.append(Comparison(f"after.{number} entries", entries / summed, ENTRY, "of the summed rates"))
    return lines


def _moved(ours: Tensor, theirs: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Ours less theirs, and theirs less the start; the classification code's position embedding lies otherwise."""
    if ours.shape != theirs.shape:  # (1, C, H, W) here, (1, H W, C) there
        ours = ours.flatten(2).transpose(1, 2)
    return ours.double() - theirs.double(), theirs.double() - start.double()


def _without(tensor: Tensor, rows: tuple[int, int] | None) -> Tensor:
    """All but the rows that two correct runs need not agree on."""
    return tensor if rows is None else torch.cat([tensor[: rows[0]], tensor[rows[1] :]])


def official_values(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Those of `given` that a configuration of this class has; raises InputError where there are others."""
    unknown = sorted(given.keys() - kind.__dataclass_fields__.keys())
    if unknown:
        raise InputError(f"its recipe has {', '.join(unknown)}, which {kind.__name__} does not know")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
