"""An exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The moving average of a model's parameters and buffers; integer buffers are taken as they are."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = model
        self.average = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move a step of 1 - decay towards the present weights."""
        for name, tensor in self.model.state_dict().items():
            if tensor.is_floating_point():
                self.average[name].lerp_(tensor, 1.0 - self.decay)
            else:
                self.average[name].copy_(tensor)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averaged weights inside this block and its own again after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, tensor in self.model.state_dict().items():
            kept = tensor.clone()
            tensor.copy_(self.average[name])
            self.average[name].copy_(kept)

    def load(self, average: dict[str, Tensor]) -> None:
        """Go on from a saved average."""
        for name, tensor in self.average.items():
            if average[name].shape != tensor.shape:
                raise ValueError(f"the average of {name} is {tuple(average[name].shape)}, not {tuple(tensor.shape)}")
            tensor.copy_(average[name])
