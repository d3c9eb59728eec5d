"""The Swin Transformer as a backbone: images to a feature pyramid.

Shapes: B images, H W map, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor, nn

from swinkit.backbone.architecture import SwinArchitecture
from swinkit.backbone.stages import SwinStages
from swinkit.errors import InputError
from swinkit.layers.block import SwinBlock
from swinkit.layers.global_attention import GlobalAttention
from swinkit.ops.geometry import Geometry
from swinkit.ops.window_attention import AttentionBackend
from swinkit.serialization import takes_notes


@takes_notes
@dataclass(frozen=True)
class SwinConfig(SwinArchitecture):
    """A Swin Transformer as a value: what is built, and what is written into files.

    A classifier takes it too, and has no use for `out_stages`, `frozen_stages` and `global_block`.
    """

    out_stages: tuple[int, ...] | None = None
    """Which stages give features, counted from 0, ascending, or from the end, -1; None is all."""
    frozen_stages: int = -1
    """How much is frozen, in the official counting: -1 nothing, 0 the patch embedding, 1 also the absolute position
    embedding, k + 1 also the first k stages. Frozen parts stay in evaluation mode."""
    global_block: bool = False
    """A block of global attention behind the norm of the last feature, as HTC++ has it (section 4.2); inferred from the
    paper's counts, as it was never released."""
    geometry: Geometry | None = None
    """Which published code decides at the borders; None is "classification" for classifiers, "dense" otherwise."""

    def __post_init__(self) -> None:
        super().__post_init__()
        stages = tuple(range(len(self.depths)))
        if self.out_stages is not None:
            counted = tuple(each + len(stages) if -len(stages) <= each < 0 else each for each in self.out_stages)
            object.__setattr__(self, "out_stages", counted)
        chosen = stages if self.out_stages is None else self.out_stages
        if not chosen or sorted(set(chosen) & set(stages)) != list(chosen):
            raise InputError(f"out_stages {chosen} must be ascending stages of {stages}")

    def build(self, *, checkpoint_activations: bool = False) -> SwinTransformer:
        """The backbone with fresh weights."""
        return SwinTransformer(self, checkpoint_activations=checkpoint_activations)

    def without_dropout(self) -> Self:
        """The same without dropout and stochastic depth."""
        return replace(self, drop_rate=0.0, attn_drop_rate=0.0, drop_path_rate=0.0)

    def from_stride(self, stride: int) -> Self:
        """The same without features finer than `stride`, so that no norm is left which nothing trains.

        Raises InputError where none is left.
        """
        chosen = range(len(self.depths)) if self.out_stages is None else self.out_stages
        kept = tuple(stage for stage in chosen if self.strides[stage] >= stride)
        if not kept:
            raise InputError(f"the backbone's strides {self.strides} are all finer than the {stride} that are needed")
        return replace(self, out_stages=kept)


class SwinTransformer(SwinStages):
    """Images (B, C, H, W) of any size to a list of features, finest first: the border that every head relies on.

    Feature i is (B, channels[i], ceil(H / strides[i]), ceil(W / strides[i])), after a LayerNorm of its own, in
    channels-last memory. Parameter names are those of the official detection and segmentation code.

    Args:
        config: the architecture; the default is Swin-T.
        attention_backend: how attention is computed, see `swinkit.ops.window_attention`.
        checkpoint_activations: see `SwinStages`.
    """

    config: SwinConfig

    def __init__(
        self,
        config: SwinConfig | None = None,
        *,
        attention_backend: AttentionBackend = "auto",
        checkpoint_activations: bool = False,
    ) -> None:
        config = config or SwinConfig()
        super().__init__(
            config,
            geometry=config.geometry or "dense",
            attention_backend=attention_backend,
            checkpoint_activations=checkpoint_activations,
        )
        self.out_stages = tuple(range(len(config.depths)) if config.out_stages is None else config.out_stages)
        self.channels = tuple(config.widths[stage] for stage in self.out_stages)
        self.strides = tuple(config.strides[stage] for stage in self.out_stages)
        for stage in self.out_stages:
            self.add_module(f"norm{stage}", nn.LayerNorm(config.widths[stage]))
        self.global_block = _global_block(config, self.channels[-1]) if config.global_block else None
        self.initialise()
        self.frozen_stages = config.frozen_stages
        for module in self._frozen():
            module.requires_grad_(False)
        if self.frozen_stages >= 1 and self.absolute_pos_embed is not None:
            self.absolute_pos_embed.requires_grad_(False)
        self.train(self.training)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) to one (B, C_i, H_i, W_i) for each of `out_stages`."""
        features = []
        for stage, x in enumerate(self.stage_maps(images)):
            if stage in self.out_stages:
                features.append(self.get_submodule(f"norm{stage}")(x).permute(0, 3, 1, 2))
            if stage == self.out_stages[-1]:
                break
        if self.global_block is not None:
            features[-1] = self.global_block(features[-1].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return features

    def train(self, mode: bool = True) -> Self:
        """As nn.Module.train, but frozen parts stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        if getattr(self, "frozen_stages", -1) < 0:
            return []
        dropout = [self.pos_drop] if self.frozen_stages >= 2 else []
        return [self.patch_embed, *dropout, *self.layers[: max(0, self.frozen_stages - 1)]]


def _global_block(config: SwinConfig, dim: int) -> SwinBlock:
    return SwinBlock(
        dim,
        GlobalAttention(dim),
        mlp_ratio=config.mlp_ratio,
        drop_rate=config.drop_rate,
        drop_path_rate=config.drop_path_rate,
    )
