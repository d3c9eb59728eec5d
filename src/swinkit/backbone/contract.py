"""What a head asks of a backbone."""

from __future__ import annotations

from typing import Protocol, Self

from torch import Tensor


class Backbone(Protocol):
    """A module that turns images (B, C, H, W) into a list of features, finest first.

    Feature i is (B, channels[i], H_i, W_i), where H_i and W_i are about H and W over strides[i]. `SwinTransformer` and
    `TimmFeatures` are such modules; any nn.Module with these three will do.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def __call__(self, images: Tensor) -> list[Tensor]: ...


class BackboneConfig(Protocol):
    """A frozen dataclass that builds a backbone, such as `SwinConfig` or `TimmConfig`."""

    def build(self, *, checkpoint_activations: bool = False) -> Backbone:
        """The backbone with fresh weights; raises InputError where it cannot be built."""
        ...

    def from_stride(self, stride: int) -> Self:
        """The same without features finer than `stride`; raises InputError where none is left."""
        ...
