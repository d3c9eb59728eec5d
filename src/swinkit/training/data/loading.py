"""Batches of tensors from a view of a data set, made in this process or in workers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from swinkit.errors import InputError
from swinkit.training.data.sampling import Key
from swinkit.training.data.seeding import SeededSamples

Collate = Callable[[list[Any]], Any]


def load_batches(
    view: SeededSamples,
    batches: Iterable[list[Key]],
    *,
    workers: int = 0,
    pin_memory: bool = False,
    collate: Collate = default_collate,
) -> Iterator[Any]:
    """A batch for every list of keys, in order.

    The tensors are the same for any number of `workers` (0: this process does it). `batches` may run on over epochs,
    which saves starting the workers again: `(keys for epoch in range(a, b) for keys in sampler.batches(epoch))`.
    torch's global generator is left alone, so what a model draws is the same for any number of workers, too.

    An InputError in a worker arrives as the same one sentence.

    Args:
        view: the samples; with the default `collate` tensors and numbers that can be stacked.
        batches: keys of each batch.
        workers: processes that load.
        pin_memory: put the tensors where a GPU fetches them fastest.
        collate: makes a batch of a list of samples; a function at the top of a module, so that workers can have it.
    """
    loader = DataLoader(
        _Batches(view, collate),
        batch_size=None,  # `_Batches` collates
        sampler=batches,
        num_workers=workers,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # else every loader takes one number from the global generator
    )
    for batch in loader:
        if isinstance(batch, InputError):
            raise batch
        yield batch


class _Batches(Dataset):
    """Indexed by a list of keys. Returns an InputError instead of raising it: raised in a worker, it would reach the
    main process with the worker's traceback for a message."""

    def __init__(self, view: SeededSamples, collate: Collate) -> None:
        self._view = view
        self._collate = collate

    def __getitem__(self, keys: list[Key]) -> Any:
        try:
            return self._collate([self._view[key] for key in keys])
        except InputError as error:
            return error


def one_by_one(samples: list[Any]) -> list[Any]:
    """A batch of samples of different sizes: a list."""
    return list(samples)
