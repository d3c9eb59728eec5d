"""One update of the weights, over all parts of its batch and all processes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from swinkit.errors import InputError
from swinkit.training.data.loading import to_device
from swinkit.training.interruption import requested
from swinkit.training.nonfinite import describe_nonfinite, describe_nonfinite_gradient
from swinkit.training.optimizers import set_rate
from swinkit.training.processes import Processes
from swinkit.training.schedules import Schedule
from swinkit.training.settings import LoopSettings
from swinkit.training.task import Task

_PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Stepper:
    """Takes the steps of a run.

    Args:
        task: the model with its losses.
        wrapped: what gives its losses in a training step, which may be the task itself.
        optimizer: of the model's parameters.
        scaler: of gradients in fp16.
        schedule: gives the learning rate.
        loop: accumulation, clipping, precision and seed.
        processes: all that train together.
    """

    def __init__(
        self,
        task: Task,
        wrapped: nn.Module,
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
        schedule: Schedule,
        loop: LoopSettings,
        processes: Processes,
    ) -> None:
        self._task, self._wrapped, self._optimizer, self._scaler = task, wrapped, optimizer, scaler
        self._schedule, self._loop, self._processes = schedule, loop, processes

    def take(self, step: int, batches: Iterator[Any]) -> tuple[dict[str, float], bool]:
        """One step: an update of the weights; returns the losses, averaged over its parts and processes, and whether a
        signal has asked one of the processes to end, so that all end after the same step.

        Raises InputError, before any weight changes, where a loss or the gradient is not finite.
        """
        lr = self._schedule.lr(step)
        set_rate(self._optimizer, lr)
        parts = [next(batches) for _ in range(self._loop.accumulate)]
        torch.manual_seed(_seed_of_step(self._loop.seed, step, self._processes.rank))
        sums = self._backward(parts)
        values, stops = self._mean_over_processes(sums)
        if not math.isfinite(values["train/loss"]):
            raise self._not_finite(f"the loss is {values['train/loss']}", step, self._where(step, parts))
        values["train/grad_norm"] = self._clip(step)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        return values | {"train/lr": lr}, stops

    def _backward(self, parts: list[Any]) -> dict[str, Tensor]:
        """Gradients of one step; the mean of each loss over the parts."""
        sums: dict[str, Tensor] = {}
        for number, part in enumerate(parts, start=1):
            batch = to_device(part, self._processes.device)
            with self._synchronised(number == len(parts)):
                with autocast(self._processes.device, self._loop.precision):
                    losses = self._wrapped(batch)
                for name, loss in losses.items():
                    sums[name] = sums.get(name, 0) + loss.detach().float() / len(parts)
                self._scaler.scale(sum(losses.values()) / len(parts)).backward()
        return sums

    def _clip(self, step: int) -> float:
        """Clip the gradient; its L2 norm before."""
        self._scaler.unscale_(self._optimizer)
        parameters = [parameter for parameter in self._task.model.parameters() if parameter.grad is not None]
        total = nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
        norm = float(total.full_tensor() if isinstance(total, DTensor) else total)
        # In fp16 the scaler leaves out steps whose gradients do not fit, and takes a smaller scale.
        if not math.isfinite(norm) and not self._scaler.is_enabled():
            where = describe_nonfinite_gradient(self._task)
            raise self._not_finite(f"the gradient's norm is {norm}", step, where)
        if self._loop.clip_grad is not None:
            nn.utils.clip_grads_with_norm_(parameters, self._loop.clip_grad, total)
        return norm

    def _synchronised(self, last: bool) -> AbstractContextManager[Any]:
        """Processes exchange gradients only in the last part of a step."""
        if isinstance(self._wrapped, DistributedDataParallel) and not last:
            return self._wrapped.no_sync()
        return nullcontext()

    def _mean_over_processes(self, sums: dict[str, Tensor]) -> tuple[dict[str, float], bool]:
        """The losses as numbers, and their sum as `train/loss`; and whether one of the processes was asked to end."""
        losses = list(sums.values())
        stops = losses[0].new_tensor(float(requested() is not None))
        *mean, asked = (self._processes.sum(torch.stack([*losses, stops])) / self._processes.count).tolist()
        each = {f"train/{name}": value for name, value in zip(sums, mean, strict=True)}
        return {"train/loss": sum(mean)} | (each if len(mean) > 1 else {}), asked > 0

    def _where(self, step: int, parts: list[Any]) -> str | None:
        """Where the loss of a step ceased to be finite, found by running it again."""
        if self._loop.sharding == "fsdp" and self._processes.count > 1:
            return None  # a process that finds the place sooner would leave the others waiting for its weights
        torch.manual_seed(_seed_of_step(self._loop.seed, step, self._processes.rank))
        for part in parts:
            with autocast(self._processes.device, self._loop.precision):
                where = describe_nonfinite(self._task, to_device(part, self._processes.device))
            if where is not None:
                return where
        return "it began in another process" if self._processes.count > 1 else None

    def _not_finite(self, what: str, step: int, where: str | None) -> InputError:
        return InputError(
            f"{what} in step {step + 1} (epoch {step // self._schedule.epoch_steps + 1}, learning rate "
            f"{self._schedule.lr(step):.3g}){'' if where is None else f': {where}'}; the last checkpoint is untouched: "
            "lower --optimizer.lr, or use --precision bf16 or fp32, in a new --run-dir"
        )


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Mixed precision inside, unless `precision` is fp32."""
    dtype = _PRECISIONS.get(precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def _seed_of_step(seed: int, step: int, rank: int) -> int:
    """Different for every step and process of a run, and for neighbouring seeds."""
    return ((seed * 1_000_003 + step) * 4_099 + rank) % 2**63
