"""One process or many: PyTorch's own engine, as torchrun starts it.

Three calls are all there is to wrap (init_process_group, DistributedDataParallel, fully_shard), so no further library
stands between them and the loop: it would have to own precision, checkpoints and data order too, which here must give
the same weights bit for bit after a restart.
"""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from swinkit.errors import InputError
from swinkit.training.interruption import Interrupted, raising_on_signals, requested
from swinkit.training.task import Task

_log = logging.getLogger(__name__)

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Processes:
    """Who this process is among all that train together."""

    rank: int
    count: int
    device: torch.device
    shares_model: bool = False
    """Whether each holds a part of the weights (FSDP), so that all must run the model equally often."""

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def require_even(self, images: int, *, sharding: str) -> None:
        """Raises InputError where processes that share a model would not run it equally often in the validation."""
        if sharding == "fsdp" and self.count > 1 and images < self.count:
            raise InputError(
                f"{images} validation images are too few for {self.count} processes that share a model; use "
                "--sharding ddp"
            )

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.count > 1:
            dist.barrier()

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """What the first process does inside is done before the others begin it."""
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()

    @contextmanager
    def own_share(self) -> Iterator[None]:
        """Inside is this process's part of an evaluation, done without the others; it ends at once where the process is
        asked to. After it they meet, and where one was asked to end, all of them raise Interrupted. What needs the
        others must come after it. Processes that share a model cannot part, and do theirs to the end.
        """
        if self.count == 1 or self.shares_model:
            yield
            return
        is_left = False
        try:
            with raising_on_signals():
                yield
        except BaseException:  # what was being called may have made an error of its own of the signal
            if requested() is None:
                raise
            is_left = True
        if self.sum(torch.tensor([float(is_left)])).item() > 0:
            raise Interrupted(requested() or signal.SIGTERM)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, on every one of them."""
        if self.count > 1:
            tensor = tensor.to(self.device)
            dist.all_reduce(tensor)
        return tensor

    def gather(self, content: bytes) -> list[bytes]:
        """What every process gives, in the order of their ranks, on every one of them."""
        if self.count == 1:
            return [content]
        lengths = torch.zeros(self.count, dtype=torch.int64)
        lengths[self.rank] = len(content)
        sizes = [int(length) for length in self.sum(lengths).tolist()]
        own = _padded(content, max(sizes), self.device)
        parts = [torch.empty_like(own) for _ in sizes]
        dist.all_gather(parts, own)
        return [part[:size].cpu().numpy().tobytes() for part, size in zip(parts, sizes, strict=True)]

    def average_statistics(self, module: nn.Module) -> None:
        """Batch norm's running statistics become their mean over all processes, on every one of them.

        So no process is evaluated, or saved, with what another one saw alone. Where batch norm is synchronised they
        are the same everywhere before; where it is in evaluation mode, frozen, they stay as they are.
        """
        if self.count > 1:
            norms = [each for each in module.modules() if isinstance(each, _BatchNorm) and each.training]
            for norm in norms:
                if norm.running_mean is not None and norm.running_var is not None:
                    for statistics in (norm.running_mean, norm.running_var):
                        statistics.copy_(self.sum(statistics.clone()) / self.count)


def _padded(content: bytes, length: int, device: torch.device) -> Tensor:
    """Bytes as a uint8 tensor of this length."""
    padded = torch.zeros(length, dtype=torch.uint8)
    padded[: len(content)] = torch.frombuffer(bytearray(content or b"\0"), dtype=torch.uint8)[: len(content)]
    return padded.to(device)


def choose_device(name: str | None) -> torch.device:
    """`name` as a device, or the best one there is; raises InputError where it is not there."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"the device {name!r} cannot be used here; try --device cpu ({_first_line(error)})") from None
    return device


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0].strip() if str(error).strip() else type(error).__name__


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """PyTorch computes with so many CPU threads inside, and with as many as before after it; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def joined_processes(device_name: str | None) -> Iterator[Processes]:
    """Join the group that torchrun's environment describes, if there is one, and leave it at the end."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    device = choose_device(device_name)
    if count == 1:
        yield Processes(0, 1, device)
        return
    if device.type == "cuda":
        device = choose_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        torch.cuda.set_device(device)
    try:
        if device.type == "cuda":
            dist.init_process_group("nccl", device_id=device)
        else:
            dist.init_process_group("gloo")
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"the {count} processes of WORLD_SIZE cannot be joined ({_first_line(error)}); start them with torchrun"
        ) from None
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()


def synchronised(model: M, processes: Processes) -> M:
    """The model with batch norm's statistics of a step over all processes; of one process alone, the model itself.

    PyTorch synchronises them on GPUs only: on CPUs each process takes those of its own images, and says so once.
    """
    if processes.count == 1 or not any(isinstance(module, _BatchNorm) for module in model.modules()):
        return model
    if processes.device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if processes.is_first:
        _log.warning(
            "batch norm over all processes needs GPUs: each of the %d processes on CPUs normalises with its own images "
            "in training, and evaluates with the mean of all their running statistics",
            processes.count,
        )
    return model


def distribute(task: Task, processes: Processes, *, sharding: Literal["ddp", "fsdp"]) -> nn.Module:
    """The module whose forward pass the loop calls: `task` itself, or wrapped for DDP.

    With "fsdp" the task's model is sharded in place, so that a call of `task.model` alone, as in an evaluation, gathers
    its weights too; `task.blocks()` are gathered one at a time.
    """
    if processes.count == 1:
        return task
    if sharding == "ddp":
        # What batch norm saw is averaged where it is used; else every step would take the first process's for all. The
        # buffers are the same at the beginning, which newer versions of PyTorch warn that this does not see to.
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return DistributedDataParallel(task, broadcast_buffers=False)
    for block in task.blocks():
        fully_shard(block)
    fully_shard(task.model)
    return task
