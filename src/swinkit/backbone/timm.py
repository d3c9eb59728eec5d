"""Backbones of the timm library in the form that every head takes: ResNet-50 and -101 of the paper's tables 2 and 3.

Shapes: B images, H W map, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from swinkit.errors import InputError
from swinkit.serialization import takes_notes


@takes_notes
@dataclass(frozen=True)
class TimmConfig:
    """A backbone of the timm library as a value."""

    name: str = "resnet50"
    """A model that timm can cut into features, such as resnet50 or resnext101_32x4d."""
    levels: tuple[int, ...] = (4, 8, 16, 32)
    """Which of its strides give features; of a ResNet (2, 4, 8, 16, 32) the published heads take the last four."""
    pretrained: bool = False
    """Start from timm's own weights, which are downloaded."""
    frozen_batch_norm: bool = False
    """Batch norm keeps the statistics that it came with, as detectors are published; scale and shift still learn."""
    frozen_stages: int = -1
    """Of a ResNet, how much does not learn, counted as the detection code does: -1 nothing, 0 the stem, k also the
    first k stages. Frozen parts stay in evaluation mode. Published detectors freeze 1."""

    def build(self, *, checkpoint_activations: bool = False) -> TimmFeatures:
        """The backbone; raises InputError where timm is not installed, or has no such model or levels."""
        if checkpoint_activations:
            raise InputError(f"activations of timm's {self.name} are not recomputed; leave checkpoint_activations out")
        return TimmFeatures(self)

    def without_dropout(self) -> Self:
        """The same: these have none."""
        return self

    def from_stride(self, stride: int) -> Self:
        """The same without features finer than `stride`; raises InputError where none is left."""
        kept = tuple(level for level in self.levels if level >= stride)
        if not kept:
            raise InputError(f"the backbone's strides {self.levels} are all finer than the {stride} that are needed")
        return replace(self, levels=kept)


class TimmFeatures(nn.Module):
    """The feature pyramid of a timm model, see `swinkit.backbone.contract.Backbone`.

    Raises InputError where timm is not installed, or has no such model or levels.
    """

    def __init__(self, config: TimmConfig) -> None:
        super().__init__()
        name, levels = config.name, config.levels
        try:
            import timm
        except ImportError:
            raise InputError(
                f"the backbone {name} comes from the timm library; install it with pip install timm"
            ) from None
        try:
            with torch.device("meta"):  # for its list of strides alone
                plain: Any = timm.create_model(name, features_only=True)
            indices = tuple(plain.feature_info.reduction().index(level) for level in levels)
            model: Any = timm.create_model(name, features_only=True, out_indices=indices, pretrained=config.pretrained)
        except (RuntimeError, ValueError, AttributeError, IndexError, OSError) as error:
            reason = str(error).strip().split("\n")[0]
            raise InputError(f"timm gives no features of strides {tuple(levels)} from {name!r} ({reason})") from None
        # What a file says: opening it downloads nothing, since its own weights follow.
        self.config = replace(config, pretrained=False)
        self.model = model
        self.is_channels_last = str(getattr(model.output_fmt, "value", model.output_fmt)) == "NHWC"
        self.channels: tuple[int, ...] = tuple(model.feature_info.channels())
        self.strides: tuple[int, ...] = tuple(model.feature_info.reduction())
        self.frozen = self._frozen_parts()
        for name in self.frozen:
            self.model.get_submodule(name).requires_grad_(False)
        self.train(self.training)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) to one (B, C_i, H_i, W_i) for each of `levels`, finest first."""
        features = self.model(images)
        return [feature.permute(0, 3, 1, 2) for feature in features] if self.is_channels_last else list(features)

    def train(self, mode: bool = True) -> Self:
        """As nn.Module.train, but what is frozen stays in evaluation mode."""
        super().train(mode)
        for name in self.frozen:
            self.model.get_submodule(name).eval()
        if self.config.frozen_batch_norm:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def layer_depths(self) -> dict[str, int]:
        """How deep each parameter lies, for rates that fall towards the input: 0 is what the first feature is made of,
        and each further feature lies one deeper.

        Raises InputError where timm does not say where the features of this model are taken.
        """
        depths = {part: depth for depth, parts in enumerate(self._parts_of_features()) for part in parts}
        names = (name for name, _ in self.named_parameters())
        return {name: depth for name in names if (depth := depths.get(".".join(name.split(".")[:2]))) is not None}

    def first_stages(self, count: int) -> tuple[str, ...]:
        """Names of the parts that the first `count` features are made of, counted from 1.

        Raises InputError where there are fewer, or timm does not say which parts they are.
        """
        parts = self._parts_of_features()
        if count > len(parts):
            raise InputError(f"there are {len(parts)} stages to freeze, not {count}")
        return tuple(name for each in parts[:count] for name in each)

    def _parts_of_features(self) -> list[list[str]]:
        """For each feature the names of the parts that lead to it from the one before."""
        ends = {name.replace(".", "_") for name in self.model.feature_info.module_name()}
        found: list[list[str]] = [[]]
        for name, _ in self.model.named_children():
            found[-1].append(f"model.{name}")
            if name in ends:
                found.append([])
        if len(found) != len(self.strides) + 1:
            raise InputError(
                f"timm does not say of {self.config.name} which parts make which feature; leave freeze stages and "
                "layer_decay out"
            )
        return found[:-1]

    def _frozen_parts(self) -> tuple[str, ...]:
        """Names of the model's parts up to the last frozen one."""
        stages = self.config.frozen_stages
        if stages < 0:
            return ()
        parts = [name for name, _ in self.model.named_children()]
        first = parts.index("layer1") if "layer1" in parts else 0
        if not first or f"layer{max(1, stages)}" not in parts:
            raise InputError(
                f"frozen_stages {stages} is for timm's ResNets, whose parts are called layer1 and so on; those of "
                f"{self.config.name} are {', '.join(parts)}"
            )
        return tuple(parts[: first + stages])
