"""Batches of tensors from a view of a data set, made in this process or in workers."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate, get_worker_info

from swinkit.errors import InputError, reason_of
from swinkit.training.data.sampling import Key
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.interruption import ignore_in_worker

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
    dataset = _Batches(view, collate, workers=workers)
    loader = DataLoader(
        dataset,
        batch_size=None,  # `_Batches` collates
        sampler=batches,
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_begin_worker,
        generator=torch.Generator(),  # else every loader takes one number from the global generator
    )
    with explained_workers(dataset):
        for batch in loader:
            if isinstance(batch, InputError):
                raise batch
            yield batch


@contextmanager
def explained_workers(batches: "_Batches | None" = None) -> Iterator[None]:
    """Inside, the death of a process that loads images is an InputError, with the image where `batches` knows it.

    PyTorch raises it in whatever the main process is doing, not only where it waits for a batch.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        # The connection over which a worker hands tensors on may break before PyTorch sees that the worker has died.
        is_broken = batches is not None and isinstance(error, (ConnectionError, EOFError))
        if not is_broken and "DataLoader worker" not in str(error):
            raise
        images = [] if batches is None else batches.at_work()
        where = f" while the images {', '.join(images[:4])} were being read" if images else ""
        raise InputError(
            f"a process that loads images has died{where} ({reason_of(error)}); where memory is short, take fewer "
            "--workers, and with --workers 0 a damaged image is named"
        ) from error


class _Batches(Dataset):
    """Indexed by a list of keys. Returns an InputError instead of raising it: raised in a worker, it would reach the
    main process with the worker's traceback for a message."""

    def __init__(self, view: SeededSamples, collate: Collate, *, workers: int = 0) -> None:
        self._view = view
        self._collate = collate
        self._current = torch.full((workers,), -1).share_memory_() if workers else None
        """The number of the sample that each worker is at, which its death leaves here."""

    def __getitem__(self, keys: list[Key]) -> Any:
        try:
            return self._collate([self._sample(key) for key in keys])
        except InputError as error:
            return error

    def at_work(self) -> list[str]:
        """What the samples are called that workers are at."""
        name = getattr(self._view.dataset, "sample_name", str)
        numbers = [] if self._current is None else self._current.tolist()
        return [name(number) for number in numbers if number >= 0]

    def _sample(self, key: Key) -> Any:
        worker = get_worker_info()
        if worker is None or self._current is None:
            return self._view[key]
        self._current[worker.id] = key[1]
        sample = self._view[key]
        self._current[worker.id] = -1
        return sample


def _begin_worker(number: int) -> None:
    ignore_in_worker()


def one_by_one(samples: list[Any]) -> list[Any]:
    """A batch of samples of different sizes: a list."""
    return list(samples)


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch with all tensors in it on `device`; whatever else is in it stays."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a NamedTuple takes its values one by one
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
