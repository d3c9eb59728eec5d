"""Which samples come when, and to which process.

A key is (epoch, index), what `seeding.SeededView` is indexed with. A batch is a list of keys.
"""

import logging
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from swinkit.errors import InputError
from swinkit.training.data.seeding import derived_generator

_log = logging.getLogger(__name__)

Key = tuple[int, int]


class TrainSampler:
    """Shuffled batches for training, the same samples in the same step however the work is divided.

    `batch_size` is that of one step of the weights, over all processes and accumulation steps; each of these
    `world_size * accumulation` shares takes an equal part. A share holds whole mirror pairs (k-th from the start, k-th
    from the end of the global batch), so that Mixup and CutMix, which mix a batch with itself reversed, meet the same
    partners in any division, if shares are even.

    The samples that do not fill a last batch are left out; every epoch leaves out others.

    A `batch_size` that exceeds the data becomes as large as they are, see `fitted_batch`.

    Raises InputError if it does not divide into equal shares, or there are fewer samples than shares.
    """

    def __init__(
        self,
        num_samples: int,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        accumulation: int = 1,
    ) -> None:
        batch_size = fitted_batch(batch_size, num_samples, shares=world_size * accumulation)
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.steps_per_epoch = num_samples // batch_size
        self.batches_per_epoch = num_samples * accumulation // batch_size
        self._seed = seed
        self._rank, self._world_size, self._accumulation = rank, world_size, accumulation

    def batches(self, epoch: int, *, start: int = 0) -> Iterator[list[Key]]:
        """This process's batches of one epoch from step `start` on; `accumulation` batches make a step."""
        order = self._order(derived_generator("order", self._seed, epoch))
        shares = self._world_size * self._accumulation
        for step in range(start, self.steps_per_epoch):
            indices = order[step * self.batch_size : (step + 1) * self.batch_size].tolist()
            for part in range(self._accumulation):
                share = _share(indices, part * self._world_size + self._rank, shares)
                yield [(epoch, index) for index in share]

    def _order(self, generator: torch.Generator) -> Tensor:
        """The samples of an epoch, one after the other: (num_samples,)."""
        return torch.randperm(self.num_samples, generator=generator)


class BalancedSampler(TrainSampler):
    """As `TrainSampler`, but every class comes equally often, up to one: of rare classes samples come again within an
    epoch, each as often as the others up to one, and of frequent classes every epoch shows others.

    An epoch has as many samples as the data; classes without samples are left out.

    Args:
        labels: (N,) class of each sample.
        batch_size, seed, rank, world_size, accumulation: see `TrainSampler`.
    """

    def __init__(
        self,
        labels: np.ndarray,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        accumulation: int = 1,
    ) -> None:
        super().__init__(
            len(labels),
            batch_size=batch_size,
            seed=seed,
            rank=rank,
            world_size=world_size,
            accumulation=accumulation,
        )
        order = np.argsort(labels, kind="stable")
        starts = np.flatnonzero(np.diff(labels[order])) + 1
        self._members = [torch.from_numpy(members) for members in np.split(order, starts)]

    def _order(self, generator: torch.Generator) -> Tensor:
        classes = len(self._members)
        each, over = divmod(self.num_samples, classes)
        one_more = set(torch.randperm(classes, generator=generator)[:over].tolist())
        parts = [
            _repeated(members, each + (number in one_more), generator) for number, members in enumerate(self._members)
        ]
        drawn = torch.cat(parts)
        return drawn[torch.randperm(len(drawn), generator=generator)]


def _repeated(members: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` of the members, in random order, all of them before any comes again."""
    rounds = -(-count // len(members))
    orders = [members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)]
    return torch.cat([*orders, members[:0]])[:count]


class EvalSampler:
    """Every sample once over all processes, in order within a process: sample i belongs to rank i % world_size.

    `batch_size` is per process. Processes get equally many batches, as models that communicate in every forward
    (FSDP) need, unless there are fewer samples than processes or batch_size is 1: then some may get one batch less.

    Raises InputError if batch_size is below 1.
    """

    def __init__(self, num_samples: int, *, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1:
            raise InputError(f"the evaluation batch size is {batch_size}; set it to 1 or more")
        self.num_samples = num_samples
        self.batch_size = batch_size
        self._rank, self._world_size = rank, world_size

    def __len__(self) -> int:
        return sum(1 for _ in self.batches())

    def batches(self) -> Iterator[list[Key]]:
        """This process's batches; the epoch of every key is 0."""
        mine = range(self._rank, self.num_samples, self._world_size)
        longest = -(-self.num_samples // self._world_size)
        count = -(-longest // self.batch_size)
        begin = 0
        for done in range(1, count + 1):
            # Leave at least one sample for each batch to come: a process may have one sample less than the longest.
            end = min(done * self.batch_size, len(mine) - (count - done))
            if end > begin:
                yield [(0, index) for index in mine[begin:end]]
                begin = end


def evenly_spread(length: int, count: int) -> list[int]:
    """Up to `count` different numbers, ascending, evenly over 0..length - 1: samples to look at."""
    return torch.linspace(0, length - 1, min(count, length), dtype=torch.float64).round().long().unique().tolist()


def fitted_batch(batch_size: int, num_samples: int, *, shares: int) -> int:
    """The batch size, or, with a line in the log, the largest that the data fill where it is larger than they are.

    Raises InputError where it is below 1 or does not divide into `shares`, or there are fewer samples than shares.
    """
    if batch_size < 1:
        raise InputError(f"the batch size is {batch_size}; set it to 1 or more")
    if batch_size % shares:
        raise InputError(
            f"the batch size {batch_size} does not divide into {shares} equal shares (processes x accumulation "
            f"steps); set it to a multiple of {shares}"
        )
    if batch_size <= num_samples:
        return batch_size
    if num_samples < shares:
        raise InputError(
            f"the training set of {num_samples} images is too small for {shares} shares (processes x accumulation "
            "steps); take fewer"
        )
    fitted = num_samples // shares * shares
    _log.info(f"The batch size {batch_size} is larger than the training set of {num_samples} images: it is {fitted}.")
    return fitted


def _share(indices: list[int], number: int, shares: int) -> list[int]:
    """Share `number` of a batch: mirror pairs of its own, and where shares are odd one sample of the middle."""
    pairs = len(indices) // shares // 2
    front, back = indices[: pairs * shares], indices[len(indices) - pairs * shares :]
    middle = indices[pairs * shares : len(indices) - pairs * shares]
    start, end = number * pairs, (number + 1) * pairs
    return front[start:end] + middle[number : number + 1] + back[len(back) - end : len(back) - start]
