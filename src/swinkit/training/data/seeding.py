"""Random draws that depend on what is drawn for, never on who draws or when.

Every random number of a sample's augmentation follows from (seed, epoch, index). So the number of worker processes,
the number of ranks and the point where a run was resumed change nothing.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol, Self

import torch
from PIL import Image
from torch import Tensor


class Samples(Protocol):
    """What a view needs of a data set: samples by number, each a tuple such as (image, label)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Any, ...]: ...


class SeededSamples:
    """A data set with its transform: `view[epoch, index]` is `transform(*sample)`.

    The transform draws from torch's global generator and from no other. During the call that generator is seeded from
    (seed, epoch, index); afterwards it is as it was, so that dropout and stochastic depth in the same process do not
    notice. (PyTorch's generator takes 32 bits of a seed: among millions of samples some share their draws.)
    """

    def __init__(self, dataset: Samples, transform: Callable[..., Any], *, seed: int) -> None:
        self.dataset = dataset
        self.transform = transform
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> Any:
        epoch, index = key
        sample = self.dataset[index]
        with SeededDraws("sample", self.seed, epoch, index):
            return self._transformed(sample)

    def _transformed(self, sample: tuple[Any, ...]) -> Any:
        return self.transform(*sample)


class SeededView(SeededSamples):
    """Labelled images, of which the transform sees the image alone: `view[epoch, index]` is (transformed, label)."""

    def __init__(self, dataset: Samples, transform: Callable[[Image.Image], Tensor], *, seed: int) -> None:
        super().__init__(dataset, transform, seed=seed)

    def _transformed(self, sample: tuple[Any, ...]) -> tuple[Tensor, int]:
        image, label = sample
        return self.transform(image), label


class SeededDraws:
    """`with SeededDraws(purpose, *numbers):` seeds torch's global CPU generator inside and restores it after.

    Only the CPU generator: `torch.manual_seed` and `torch.random.fork_rng` would reach for every GPU each time.
    """

    def __init__(self, purpose: str, *numbers: int) -> None:
        self._seed = derive_seed(purpose, *numbers)

    def __enter__(self) -> Self:
        self._before = torch.default_generator.get_state()
        torch.default_generator.manual_seed(self._seed)
        return self

    def __exit__(self, *exception: object) -> None:
        torch.default_generator.set_state(self._before)


def derive_seed(purpose: str, *numbers: int) -> int:
    """A seed in 0..2**63-1 from a purpose ("sample", "order", "mixing") and the numbers it depends on."""
    key = "/".join([purpose, *map(str, numbers)]).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") >> 1


def derived_generator(purpose: str, *numbers: int) -> torch.Generator:
    """A CPU generator of its own with `derive_seed(purpose, *numbers)`."""
    return torch.Generator().manual_seed(derive_seed(purpose, *numbers))
