"""The one training loop, for every task."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)

from swinkit.errors import InputError, border
from swinkit.training.averaging import WeightAverage
from swinkit.training.checkpoints import Progress, load_checkpoint, progress_of, save_checkpoint
from swinkit.training.data.loading import explained_workers
from swinkit.training.freezing import Frozen
from swinkit.training.interruption import Interrupted, raising_on_signals, requested, saving_on_signals
from swinkit.training.metrics_log import MetricsLog
from swinkit.training.optimizers import build_optimizer, check_optimizer_state, set_rate, shown_rates
from swinkit.training.processes import Processes, distribute
from swinkit.training.progress import TrainingProgress
from swinkit.training.run_folder import RunFolder
from swinkit.training.schedules import Schedule, describe_other_length, fitted_to_run
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.training.stepping import Stepper, autocast
from swinkit.training.task import Task
from swinkit.training.trackers import open_trackers

_log = logging.getLogger(__name__)

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
_BROADCAST = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)


@dataclass(frozen=True)
class TrainingSettings:
    """What `train` is told besides task and data."""

    loop: LoopSettings
    optimizer: OptimizerSettings
    schedule: ScheduleSettings
    enough: Mapping[str, float] = field(default_factory=dict)
    """Results of the task, 0..1, at which nothing is left to learn: where all that there are reach it, a run ends."""


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
    stopped: str | None = None
    """Of a run that ended before its last step, a sentence that says why."""


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
        with saving_on_signals(alone=processes.count == 1), explained_workers():
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
        self.enough = settings.enough
        task.to(processes.device)
        self.frozen = Frozen(task.model, optimizer.freeze)
        if optimizer.freeze is not None:
            _log.info(f"{self.frozen.learning:,} of {self.frozen.all:,} parameters learn; the others are frozen.")
        if loop.compile:
            task.model.compile()
        self.schedule, said = self._schedule(settings, loop)
        before = loop if run.loop_before is None else run.loop_before
        self.schedule_before, _ = self._schedule(settings, replace(loop, epochs=before.epochs, steps=before.steps))
        for line in said:
            _log.info("%s.", line.capitalize())
        self.wrapped = distribute(task, processes, sharding=loop.sharding)
        self.optimizer = build_optimizer(task.model, optimizer, lr=self.schedule.peak)
        rates = shown_rates(self.optimizer)
        if rates is not None:
            _log.info(rates)
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=loop.precision == "fp16")
        self.average = None if loop.ema_decay is None else WeightAverage(task.model, loop.ema_decay)
        self.stepper = Stepper(task, self.wrapped, self.optimizer, self.scaler, self.schedule, loop, processes)
        self.done = 0
        self.best: float | None = None
        self.results: dict[str, float] = {}
        self.is_evaluated = True
        self.stale = 0
        self.log: MetricsLog | None = None
        self.progress: TrainingProgress | None = None

    def _schedule(self, settings: TrainingSettings, loop: LoopSettings) -> tuple[Schedule, list[str]]:
        """That of a run as long as `loop` says, and what of it had to be fitted."""
        each = self.data.steps_per_epoch
        fitted, said = fitted_to_run(settings.schedule, epoch_steps=each, total_steps=loop.total_steps(each))
        schedule = Schedule.of(
            fitted, loop, settings.optimizer, epoch_steps=each, epoch_batches=self.data.batches_per_epoch
        )
        return schedule, said

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
            self._check_length()
        if self.processes.is_first and self.run.loop_before is not None:
            self.run.keep_recipe()
        if self.processes.is_first and not self._is_finished:
            trackers = open_trackers(self.loop.log, self.run.root, self.run.told, goes_on=self.done > 0)
            self.log = MetricsLog(self.run, step=self.done, trackers=trackers)
            self.progress = TrainingProgress(
                start=self.done,
                total=self.schedule.total_steps,
                epoch_steps=self.schedule.epoch_steps,
                images=self.loop.batch_size,
                device=self.processes.device,
            )
            if self.done:
                self.progress.say(f"Going on after step {self.done} of {self.schedule.total_steps} ({self.run.root})")
                if self.schedule_before.total_steps != self.schedule.total_steps:
                    self.progress.say(describe_other_length(self.schedule_before, self.schedule, self.done))

    def _check_length(self) -> None:
        """Raises InputError where the run has more steps behind it than it is told to make."""
        if self.done > self.schedule.total_steps:
            raise InputError(
                f"the run in {self.run.root} has made {self.done} steps already, and is told to make "
                f"{self.schedule.total_steps}; raise --epochs or --steps, or choose another --run-dir"
            )

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
        self.is_evaluated, self.stale = progress.evaluated, progress.stale
        if self.done:
            set_rate(self.optimizer, self.schedule_before.lr(self.done - 1))

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
        self._train_mode()
        if not self.is_evaluated:  # a run was stopped before it could
            stops = not self.evaluate()
            self._save_or_stop(stops)
        while not self._is_finished:
            values, stops = self.stepper.take(self.done, batches)
            self.done += 1
            if self.average is not None:
                self.average.update()
            self.record(values)
            self.is_evaluated = not self._evaluation_is_due
            if not self.is_evaluated and not stops:
                stops = not self.evaluate()
            self._save_or_stop(stops)
        return TrainingResult(self.done, self.done - began, self.results, self.best, self._why_stopped)

    def _train_mode(self) -> None:
        self.wrapped.train()
        self.frozen.hold()

    def _save_or_stop(self, stops: bool) -> None:
        """Save where it is time, and end where a signal asked for it."""
        if self._checkpoint_is_due or stops:
            self.save()
        if stops:
            at = f"after step {self.done} of {self.schedule.total_steps}"
            raise Interrupted(requested() or signal.SIGTERM, saved=f"{at}, which is saved in {self.run.checkpoint}")

    @property
    def _is_finished(self) -> bool:
        """Whether all steps and the evaluation after the last are done, or patience has run out, or all is learned."""
        return self.is_evaluated and (self._at_end or self._is_out_of_patience or self._has_enough)

    @property
    def _has_enough(self) -> bool:
        reached = [self.results[name] >= value for name, value in self.enough.items() if name in self.results]
        return bool(reached) and all(reached)

    @property
    def _is_out_of_patience(self) -> bool:
        return self.loop.patience is not None and self.stale >= self.loop.patience

    @property
    def _why_stopped(self) -> str | None:
        if self._has_enough and not self._at_end:
            return f"Stopped after step {self.done} of {self.schedule.total_steps}: nothing is left to learn."
        if self._at_end or self.best is None or self.loop.patience is None:
            return None
        count = f"{self.stale} evaluation{'' if self.stale == 1 else 's'}"
        return (
            f"Stopped early after step {self.done} of {self.schedule.total_steps}: {self.task.best_named} has not "
            f"risen above {100 * self.best:.2f} % in {count} (--patience {self.loop.patience}); the same command with "
            "a larger --patience goes on."
        )

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
        return self._is_finished or at_epoch_end or (every is not None and self.done % every == 0)

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

    def evaluate(self) -> bool:
        """Results on the validation data, and the model kept if it is the best so far. False where a signal came
        meanwhile: then nothing has changed."""
        self._average_statistics()
        with self.average.in_place() if self.average is not None else nullcontext():
            self.task.eval()
            results = self._results()
            self._train_mode()
            if results is None:
                return False
            self.results = results
            self._keep_models()
        self.is_evaluated = True
        if self.progress is not None and self.log is not None:
            shown = "  ".join(f"{name} {_shown(name, value)}" for name, value in self.results.items())
            self.progress.say(f"{self.progress.place(self.done)}  {shown}")
            self.log.write(self.done, self._epoch, self.results)
            self.progress.resume_clock()
        return True

    def _results(self) -> dict[str, float] | None:
        """The task's evaluation; None where a signal ended it, of several processes in all of them."""
        is_alone = self.processes.count == 1  # others wait for this one, see `Processes.own_share`
        with torch.no_grad(), autocast(self.processes.device, self.loop.precision):
            try:
                with raising_on_signals() if is_alone else nullcontext():
                    return self.task.evaluate(self._show_validation)
            except Interrupted:
                return None
            except BaseException:  # what was being called may have made an error of its own of the signal
                if requested() is None or not is_alone:
                    raise
                return None

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
        is_better = self.best is None or (math.isnan(self.best) and not math.isnan(value)) or value > self.best
        self.stale = 0 if is_better else self.stale + 1
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
                "stale": self.stale,
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
