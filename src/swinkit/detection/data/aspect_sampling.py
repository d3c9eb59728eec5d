"""Batches whose images lie or stand alike, so that little of a padded batch is padding."""

import math
from collections.abc import Iterator, Sequence

import torch

from swinkit.training.data.sampling import Key, fitted_batch
from swinkit.training.data.seeding import derived_generator


class AspectRatioSampler:
    """Shuffled batches for training in groups of images of one orientation: wider than high, or not.

    As `sampling.TrainSampler`: `batch_size` is that of one step of the weights, over all processes and accumulation
    steps, a step has the same samples however the work is divided, and the samples that do not fill a last batch
    are left out, others in every epoch.

    A group has `group_size` images, or the greatest divisor that it shares with batch_size; the published code has
    groups as large as a process's batch, 2. In an epoch each orientation is shuffled and cut into groups; what is
    left of both makes mixed groups, so that no image is shown twice and few epochs of small data lack one. Groups
    are shuffled, and within a step those of wide images come first, so that shares are as uniform as can be.

    Args:
        sizes: height and width of every image.

    Raises:
        InputError: as `fitted_batch` does.
    """

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        *,
        batch_size: int,
        seed: int,
        group_size: int = 2,
        rank: int = 0,
        world_size: int = 1,
        accumulation: int = 1,
    ) -> None:
        batch_size = fitted_batch(batch_size, len(sizes), shares=world_size * accumulation)
        self.num_samples = len(sizes)
        self.batch_size = batch_size
        self.group_size = math.gcd(max(1, group_size), batch_size)
        self.steps_per_epoch = self.num_samples // batch_size
        self.batches_per_epoch = self.num_samples * accumulation // batch_size
        self._is_wide = torch.tensor([width > height for height, width in sizes], dtype=torch.bool)
        self._seed = seed
        self._rank, self._world_size, self._accumulation = rank, world_size, accumulation

    def batches(self, epoch: int, *, start: int = 0) -> Iterator[list[Key]]:
        """This process's batches of one epoch from step `start` on; `accumulation` batches make a step."""
        groups = self._groups(epoch)
        share = self.batch_size // (self._world_size * self._accumulation)
        count = self.batch_size // self.group_size
        for step in range(start, self.steps_per_epoch):
            mine = groups[step * count : (step + 1) * count]
            order = self._is_wide[mine].sum(1).argsort(descending=True, stable=True)
            indices = mine[order].flatten().tolist()
            for part in range(self._accumulation):
                begin = (part * self._world_size + self._rank) * share
                yield [(epoch, index) for index in indices[begin : begin + share]]

    def _groups(self, epoch: int) -> torch.Tensor:
        """(groups, group_size) indices, shuffled; at the most group_size - 1 images are in none."""
        generator = derived_generator("order", self._seed, epoch)
        order = torch.randperm(self.num_samples, generator=generator)
        is_wide = self._is_wide[order]
        parts = [order[is_wide], order[~is_wide]]
        full = [len(part) - len(part) % self.group_size for part in parts]
        rest = torch.cat([part[length:] for part, length in zip(parts, full, strict=True)])
        rest = rest[: len(rest) - len(rest) % self.group_size]
        grouped = torch.cat([part[:length] for part, length in zip(parts, full, strict=True)] + [rest])
        groups = grouped.view(-1, self.group_size)
        return groups[torch.randperm(len(groups), generator=generator)]
