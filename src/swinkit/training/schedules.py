"""The learning rate of every step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings

LONGEST_WARMUP = 1 / 3
"""A warm-up of a greater share of the run leaves nothing of it to learn in."""

SHORTENED = 0.1
"""The share that it gets then."""

LAST_MILESTONE = 11 / 12
"""Where the published runs lower the rate last, as a share of the run."""


def fitted_to_run(
    settings: ScheduleSettings, *, epoch_steps: int, total_steps: int
) -> tuple[ScheduleSettings, list[str]]:
    """The schedule of a run that is shorter than its warm-up or its milestones were made for, and a sentence for each
    that is changed; of other runs, and without `fit_short_runs`, the settings as they are.

    Args:
        settings: the shape.
        epoch_steps: steps in an epoch.
        total_steps: steps in the run.
    """
    said: list[str] = []
    if not settings.fit_short_runs:
        return settings, said
    warmup = settings.warmup_steps
    if warmup is None:
        warmup = round(settings.warmup_epochs * epoch_steps)
    if warmup > LONGEST_WARMUP * total_steps:
        shorter = int(SHORTENED * total_steps)
        said.append(f"a warm-up of {warmup} steps would fill a run of {total_steps}: it has {shorter} steps")
        settings = replace(settings, warmup_steps=shorter)
    epochs = total_steps / epoch_steps
    if settings.decay == "step" and settings.milestones and max(settings.milestones) >= epochs:
        scale = LAST_MILESTONE * epochs / max(settings.milestones)
        milestones = tuple(round(scale * each, 4) for each in settings.milestones)
        shown = [", ".join(f"{each:g}" for each in values) for values in (settings.milestones, milestones)]
        said.append(
            f"the learning rate would fall after epochs {shown[0]}, but the run has {epochs:g}: it falls after "
            f"{shown[1]}"
        )
        settings = replace(settings, milestones=milestones)
    return settings, said


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a function of the step, counted from 0.

    Args:
        settings: the shape.
        peak: learning rate at the peak, for this run's batch.
        scale: what `settings`' own rates are multiplied with for this run's batch.
        epoch_steps: steps in an epoch.
        total_steps: steps in the run.
        epoch_length: an epoch in steps, with the parts of a step that are left over at its end; None: there are none.
    """

    settings: ScheduleSettings
    peak: float
    scale: float
    epoch_steps: int
    total_steps: int
    epoch_length: Fraction | None = None

    @classmethod
    def of(
        cls,
        settings: ScheduleSettings,
        loop: LoopSettings,
        optimizer: OptimizerSettings,
        *,
        epoch_steps: int,
        epoch_batches: int,
    ) -> Self:
        """The schedule of a run with `epoch_steps` steps and `epoch_batches` micro-batches in an epoch."""
        scale = 1.0 if optimizer.reference_batch is None else loop.batch_size / optimizer.reference_batch
        return cls(
            settings,
            peak=optimizer.lr * scale,
            scale=scale,
            epoch_steps=epoch_steps,
            total_steps=loop.total_steps(epoch_steps),
            epoch_length=Fraction(epoch_batches, loop.accumulate),
        )

    @property
    def warmup_steps(self) -> int:
        settings = self.settings
        if settings.warmup_steps is not None:
            return settings.warmup_steps
        return round(settings.warmup_epochs * self.epoch_steps)

    def lr(self, step: int) -> float:
        """The learning rate of step `step`, 0 <= step < total_steps."""
        return self._at(self._number_of_last(step) if self.settings.set_after_step else step)

    def _number_of_last(self, step: int) -> int:
        """What the published classification code calls the step before `step`: its number among all micro-batches,
        divided by the parts of a step."""
        epoch, place = divmod(max(0, step - 1), self.epoch_steps)
        return place + math.ceil(epoch * (self.epoch_length or self.epoch_steps))

    def _at(self, step: int) -> float:
        settings, warmup = self.settings, self.warmup_steps
        if step >= warmup:
            return self._decayed(step)
        if settings.warmup_ratio is not None:
            missing = (1 - step / warmup) * (1 - settings.warmup_ratio)
            return self._decayed(step) * (1 - missing)
        start = settings.warmup_lr * self.scale
        return start + (self.peak - start) * step / warmup

    def _decayed(self, step: int) -> float:
        settings = self.settings
        if settings.decay == "constant":
            return self.peak
        if settings.decay == "step":
            passed = sum(step >= round(epoch * self.epoch_steps) for epoch in settings.milestones)
            return max(self.peak * settings.gamma**passed, settings.min_lr * self.scale)
        # Where the decay counts from the first step, warm-up and decay overlap in time.
        offset = self.warmup_steps if settings.warmup_prefix and settings.warmup_ratio is None else 0
        done = min(1.0, max(0.0, (step - offset) / max(1, self.total_steps - offset)))
        low = settings.min_lr * self.scale
        if settings.decay == "cosine":
            return low + (self.peak - low) * 0.5 * (1 + math.cos(math.pi * done))
        power = settings.power if settings.decay == "poly" else 1.0
        return low + (self.peak - low) * (1 - done) ** power


def describe_other_length(before: Schedule, now: Schedule, step: int) -> str:
    """What becomes of the learning rate where a run goes on after step `step`, counted from 1, with another length."""
    steps = f"The run has {now.total_steps} steps in all, and no longer {before.total_steps}"
    rates = f"from here on the learning rate is that of a run of {now.total_steps} steps"
    if step < now.total_steps:
        rates += f", {now.lr(step):.3g} in the next step and {before.lr(step - 1):.3g} in the last"
    return f"{steps}: {rates}."
