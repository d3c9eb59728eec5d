"""Batches of tensors from a SeededView, made in this process or in workers."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from swinkit.data.sampling import Key
from swinkit.data.seeding import SeededView
from swinkit.errors import InputError

# Shape legend: B images, H W image.


def load_batches(
    view: SeededView, batches: Iterable[list[Key]], *, workers: int = 0, pin_memory: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """(images (B, 3, H, W), labels (B,) int64) for every batch of keys, in order.

    The tensors are the same for any number of `workers` (0: this process does it). `batches` may run on over epochs,
    which saves starting the workers again: `(keys for epoch in range(a, b) for keys in sampler.batches(epoch))`.
    torch's global generator is left alone, so what a model draws is the same for any number of workers, too.

    An InputError in a worker arrives as the same one sentence.
    """
    loader = DataLoader(
        _Batches(view),
        batch_size=None,  # `_Batches` collates
        sampler=batches,
        num_workers=workers,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # else every loader takes one number from the global generator
    )
    for batch in loader:
        if isinstance(batch, InputError):
            raise batch
        images, labels = batch
        yield images, labels


class _Batches(Dataset):
    """Indexed by a list of keys. Returns an InputError instead of raising it: raised in a worker, it would reach the
    main process with the worker's traceback for a message."""

    def __init__(self, view: SeededView) -> None:
        self._view = view

    def __getitem__(self, keys: list[Key]) -> list[Tensor] | InputError:
        try:
            return default_collate([self._view[key] for key in keys])
        except InputError as error:
            return error
