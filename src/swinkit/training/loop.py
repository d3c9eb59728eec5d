"""The one training loop, for every task."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from swinkit.errors import InputError, border
from swinkit.training.averaging import WeightAverage
from swinkit.training.checkpoints import Progress, load_checkpoint, progress_of, save_checkpoint
from swinkit.training.data.loading import explained_workers
from swinkit.training.interruption import Interrupted, requested, saving_on_signals
from swinkit.training.nonfinite import describe_nonfinite, describe_nonfinite_gradient
from swinkit.training.optimizers import build_optimizer, check_optimizer_state
from swinkit.training.processes import Processes, distribute
from swinkit.training.progress import TrainingProgress
from swinkit.training.run_folder import MetricsLog, RunFolder
from swinkit.training.schedules import Schedule, fitted_to_run
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.training.task import Task

_log = logging.getLogger(__name__)

_PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}
_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
_BROADCAST = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)


@dataclass(frozen=True)
class TrainingSettings:
    """What `train` is told besides task and data."""

    loop: LoopSettings
    optimizer: OptimizerSettings
    schedule: ScheduleSettings


@dataclass(frozen=True)
class TrainingResult:
    """What a run ended with."""

    steps: int
    """Steps of the weights in the whole run, earlier sessions included."""
    steps_now: int
    """Steps in this session; 0 where the run was finished before."""
    results: dict[str, float]
    """The last evaluation."""
    best: float | None
    """The best value of the task's `best_metric`."""


def run_loop(task: Task, settings: TrainingSettings, run: RunFolder, processes: Processes) -> TrainingResult:
    """Train `task` on its batches, or go on with what lies in `run`.

    Everything random in a step (dropout, stochastic depth, Mixup) is drawn from the seed and the step's number,
    so a run that was killed at any moment ends with the same weights as one that was not.

    Raises:
        Interrupted: where a signal asked the run to end. It has saved after the step that it was in.
        InputError: where a loss or gradient becomes NaN or infinite (says in which step, and in which module it
            began), the GPU's memory is too small, or a file of the run cannot be written.
    """
    trainer = _Trainer(task, settings, run, processes)
    try:
        with saving_on_signals(), explained_workers():
            trainer.restore()
            return trainer.run_steps()
    except torch.OutOfMemoryError:
        raise InputError(
            f"{processes.device} has too little memory for a batch of {settings.loop.batch_size}; in a new --run-dir, "
            "take --precision bf16, a larger --accumulate (parts of a batch), or --checkpoint-activations"
        ) from None
    finally:
        trainer.close()


class _Trainer:
    """The state of a run between two steps."""

    def __init__(self, task: Task, settings: TrainingSettings, run: RunFolder, processes: Processes) -> None:
        loop, optimizer = settings.loop, settings.optimizer
        if loop.ema_decay is not None and loop.sharding == "fsdp" and processes.count > 1:
            raise InputError("ema_decay cannot be combined with sharding fsdp; use ddp or leave the average out")
        self.task, self.data, self.loop, self.run, self.processes = task, task.batches, loop, run, processes
        task.to(processes.device)
        if loop.compile:
            task.model.compile()
        self.wrapped = distribute(task, processes, sharding=loop.sharding)
        each = self.data.steps_per_epoch
        schedule, said = fitted_to_run(settings.schedule, epoch_steps=each, total_steps=loop.total_steps(each))
        for line in said:
            _log.info("%s.", line.capitalize())
        self.schedule = Schedule.of(
            schedule, loop, optimizer, epoch_steps=each, epoch_batches=self.data.batches_per_epoch
        )
        self.optimizer = build_optimizer(task.model, optimizer, lr=self.schedule.peak)
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=loop.precision == "fp16")
        self.average = None if loop.ema_decay is None else WeightAverage(task.model, loop.ema_decay)
        self.done = 0
        self.best: float | None = None
        self.results: dict[str, float] = {}
        self.is_evaluated = True
        self.log: MetricsLog | None = None
        self.progress: TrainingProgress | None = None

    def restore(self) -> None:
        """Go on from the last checkpoint, if there is one, and open the log."""
        state = load_checkpoint(self.run.checkpoint)
        progress = None if state is None else progress_of(state, self.run.checkpoint)
        steps = torch.tensor([0 if progress is None else progress.step])
        if self.processes.sum(steps.clone()).item() != steps.item() * self.processes.count:
            raise InputError(
                f"the processes see different checkpoints in {self.run.root}; give a --run-dir that all machines share"
            )
        if state is not None and progress is not None:
            self._load(state, progress)
        if self.processes.is_first and self.done < self.schedule.total_steps:
            self.log = MetricsLog(self.run, step=self.done)
            self.progress = TrainingProgress(
                start=self.done,
                total=self.schedule.total_steps,
                epoch_steps=self.schedule.epoch_steps,
                images=self.loop.batch_size,
                device=self.processes.device,
            )
            if self.done:
                self.progress.say(f"Going on after step {self.done} of {self.schedule.total_steps} ({self.run.root})")

    def _load(self, state: dict[str, Any], progress: Progress) -> None:
        told = [
            {name: value for name, value in each.items() if name != "params"} for each in self.optimizer.param_groups
        ]
        with border(f"{self.run.checkpoint} does not fit the model", "delete it to start anew"):
            set_state_dict(
                self.task.model,
                self.optimizer,
                model_state_dict=state["model"],
                optim_state_dict=state["optimizer"],
                options=_BROADCAST if self._sharded else None,
            )
            for group, values in zip(self.optimizer.param_groups, told, strict=True):
                group.update(values)  # the recipe's, not those of the file
            check_optimizer_state(self.optimizer)
            if self.average is not None:
                self.average.load(state["average"])
            if self.loop.precision == "fp16":
                self.scaler.load_state_dict(state["scaler"])
        self.done, self.best, self.results = progress.step, progress.best, progress.results
        self.is_evaluated = progress.evaluated

    def close(self) -> None:
        if self.log is not None:
            self.log.close()
        if self.progress is not None:
            self.progress.close()

    @property
    def _sharded(self) -> bool:
        return self.loop.sharding == "fsdp" and self.processes.count > 1

    def run_steps(self) -> TrainingResult:
        batches = self.data.batches(self.done, self.schedule.total_steps)
        began = self.done
        self.wrapped.train()
        if not self.is_evaluated:
            self.evaluate()
        for step in range(began, self.schedule.total_steps):
            values, stops = self.take_step(step, batches)
            self.done = step + 1
            self.record(values)
            self.is_evaluated = not self._evaluation_is_due
            if not self.is_evaluated and not stops:
                self.evaluate()
            if self._checkpoint_is_due or stops:
                self.save()
            if stops:
                raise Interrupted(requested() or signal.SIGTERM)
        return TrainingResult(self.done, self.done - began, self.results, self.best)

    @property
    def _at_end(self) -> bool:
        return self.done == self.schedule.total_steps

    @property
    def _evaluation_is_due(self) -> bool:
        every = self.loop.evaluate_every_steps or self.loop.evaluate_every * self.schedule.epoch_steps
        return self._at_end or self.done % every == 0

    @property
    def _checkpoint_is_due(self) -> bool:
        every = self.loop.checkpoint_every
        at_epoch_end = self.done % self.schedule.epoch_steps == 0
        return self._at_end or at_epoch_end or (every is not None and self.done % every == 0)

    def take_step(self, step: int, batches: Iterator[Any]) -> tuple[dict[str, float], bool]:
        """One step: an update of the weights; returns the losses, averaged over its parts and processes, and whether a
        signal has asked one of the processes to end, so that all end after the same step.

        Raises InputError, before any weight changes, where a loss or the gradient is not finite.
        """
        lr = self.schedule.lr(step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        parts = [next(batches) for _ in range(self.loop.accumulate)]
        torch.manual_seed(_seed_of_step(self.loop.seed, step, self.processes.rank))
        sums = self._backward(parts)
        values, stops = self._mean_over_processes(sums)
        if not math.isfinite(values["train/loss"]):
            raise self._not_finite(f"the loss is {values['train/loss']}", step, self._where(step, parts))
        values["train/grad_norm"] = self._clip(step)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update()
        return values | {"train/lr": lr}, stops

    def _backward(self, parts: list[Any]) -> dict[str, Tensor]:
        """Gradients of one step; the mean of each loss over the parts."""
        sums: dict[str, Tensor] = {}
        for number, part in enumerate(parts, start=1):
            batch = _to_device(part, self.processes.device)
            with self._synchronised(number == len(parts)):
                with self._autocast():
                    losses = self.wrapped(batch)
                for name, loss in losses.items():
                    sums[name] = sums.get(name, 0) + loss.detach().float() / len(parts)
                self.scaler.scale(sum(losses.values()) / len(parts)).backward()
        return sums

    def _clip(self, step: int) -> float:
        """Clip the gradient; its L2 norm before."""
        self.scaler.unscale_(self.optimizer)
        parameters = [parameter for parameter in self.task.model.parameters() if parameter.grad is not None]
        total = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        norm = float(total.full_tensor() if isinstance(total, DTensor) else total)
        # In fp16 the scaler leaves out steps whose gradients do not fit, and takes a smaller scale.
        if not math.isfinite(norm) and not self.scaler.is_enabled():
            where = describe_nonfinite_gradient(self.task)
            raise self._not_finite(f"the gradient's norm is {norm}", step, where)
        if self.loop.clip_grad is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.loop.clip_grad, total)
        return norm

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype = _PRECISIONS.get(self.loop.precision)
        return nullcontext() if dtype is None else torch.autocast(self.processes.device.type, dtype)

    def _synchronised(self, last: bool) -> AbstractContextManager[Any]:
        """Processes exchange gradients only in the last part of a step."""
        if isinstance(self.wrapped, DistributedDataParallel) and not last:
            return self.wrapped.no_sync()
        return nullcontext()

    def _mean_over_processes(self, sums: dict[str, Tensor]) -> tuple[dict[str, float], bool]:
        """The losses as numbers, and their sum as `train/loss`; and whether one of the processes was asked to end."""
        losses = list(sums.values())
        stops = losses[0].new_tensor(float(requested() is not None))
        *mean, asked = (self.processes.sum(torch.stack([*losses, stops])) / self.processes.count).tolist()
        each = {f"train/{name}": value for name, value in zip(sums, mean, strict=True)}
        return {"train/loss": sum(mean)} | (each if len(mean) > 1 else {}), asked > 0

    def _where(self, step: int, parts: list[Any]) -> str | None:
        """Where the loss of a step ceased to be finite, found by running it again."""
        if self._sharded:
            return None  # a process that finds the place sooner would leave the others waiting for its weights
        torch.manual_seed(_seed_of_step(self.loop.seed, step, self.processes.rank))
        for part in parts:
            with self._autocast():
                where = describe_nonfinite(self.task, _to_device(part, self.processes.device))
            if where is not None:
                return where
        return "it began in another process" if self.processes.count > 1 else None

    def _not_finite(self, what: str, step: int, where: str | None) -> InputError:
        return InputError(
            f"{what} in step {step + 1} (epoch {step // self.schedule.epoch_steps + 1}, learning rate "
            f"{self.schedule.lr(step):.3g}){'' if where is None else f': {where}'}; the last checkpoint is untouched: "
            "lower --optimizer.lr, or use --precision bf16 or fp32, in a new --run-dir"
        )

    def record(self, values: dict[str, float]) -> None:
        """Show a step, and write every `log_every`-th one down."""
        if self.progress is None or self.log is None:
            return
        self.progress.step(self.done, values)
        if self.done % self.loop.log_every == 0 or self.done == self.schedule.total_steps:
            speed = {"train/images_per_second": self.progress.images_per_second(self.done)}
            self.log.write(self.done, self._epoch, values | speed)

    @property
    def _epoch(self) -> int:
        return -(-self.done // self.schedule.epoch_steps)

    def evaluate(self) -> None:
        """Results on the validation data, and the model kept if it is the best so far."""
        self._average_statistics()
        with self.average.in_place() if self.average is not None else nullcontext():
            self.task.eval()
            with torch.no_grad(), self._autocast():
                self.results = self.task.evaluate(self._show_validation)
            self.wrapped.train()
            self._keep_models()
        self.is_evaluated = True
        if self.progress is not None and self.log is not None:
            shown = "  ".join(f"{name} {_shown(name, value)}" for name, value in self.results.items())
            self.progress.say(f"{self.progress.place(self.done)}  {shown}")
            self.log.write(self.done, self._epoch, self.results)
            self.progress.resume_clock()

    def _show_validation(self, done: int) -> None:
        if self.progress is not None:
            self.progress.validate(done, -(-self.task.images[1] // self.processes.count))

    def _average_statistics(self) -> None:
        """Batch norm's, before they are evaluated or saved: every process goes on with those of all."""
        self.processes.average_statistics(self.task.model)
        if self.average is not None and self.processes.count > 1:
            with self.average.in_place():
                self.processes.average_statistics(self.task.model)

    def _keep_models(self) -> None:
        value = self.results[self.task.best_metric]
        # Of equals the later one, which has seen more; a value that is not a number is better than none.
        is_best = self.best is None or math.isnan(self.best) or value >= self.best
        self.best = value if is_best else self.best
        state: dict[str, Any] = get_model_state_dict(self.task.model, options=_WHOLE if self._sharded else None)
        if self.processes.is_first:
            if is_best:
                self.task.save_model(self.run.best_model, state, self.results)
            self.task.save_model(self.run.last_model, state, self.results)

    def save(self) -> None:
        """Write the checkpoint."""
        self._average_statistics()
        options = _WHOLE if self._sharded else None
        model, optimizer = get_state_dict(self.task.model, self.optimizer, options=options)
        if self.processes.is_first:
            state = {
                "step": self.done,
                "best": self.best,
                "results": self.results,
                "evaluated": self.is_evaluated,
                "model": model,
                "optimizer": optimizer,
                "scaler": self.scaler.state_dict(),
                "average": None if self.average is None else self.average.average,
            }
            save_checkpoint(self.run.checkpoint, state)
        self.processes.wait()


def _shown(name: str, value: float) -> str:
    """A result on the screen: losses as they are, shares in percent."""
    return f"{value:.4g}" if name.endswith("loss") else f"{100 * value:.2f} %"


def _seed_of_step(seed: int, step: int, rank: int) -> int:
    """Different for every step and process of a run, and for neighbouring seeds."""
    return ((seed * 1_000_003 + step) * 4_099 + rank) % 2**63


def _to_device(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: _to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a NamedTuple takes its values one by one
        return type(batch)(*(_to_device(value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(_to_device(value, device) for value in batch)
    return batch
