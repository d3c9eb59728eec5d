"""Patch embedding and stages: what the classifier and the feature pyramid share (paper figure 3a).

Shapes: B images, H W map, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from swinkit.backbone.architecture import SwinArchitecture
from swinkit.backbone.attentions import build_attention, choose_attention_backend
from swinkit.errors import InputError
from swinkit.layers.block import SwinBlock
from swinkit.layers.patch import PatchEmbed, PatchMerging
from swinkit.layers.performer_attention import PerformerAttention
from swinkit.ops.geometry import Geometry
from swinkit.ops.tracing import is_fx, map_size
from swinkit.ops.window_attention import AttentionBackend, check_backend
from swinkit.ops.windows import are_symbols

POSITIONS = ("relative_position_bias_table", "absolute_pos_embed")
"""What parameters of positions are called."""


@torch.fx.wrap
def position_of_map(embedding: Tensor, x: Tensor) -> Tensor:
    """A position embedding (1, D, h, w) at the size of a map (B, H, W, D), as (1, H, W, D)."""
    size = map_size(x)
    # A program of free sizes may not branch on them; at the same size nothing changes.
    if are_symbols(*size) or tuple(embedding.shape[2:]) != tuple(size):
        embedding = F.interpolate(embedding, size=size, mode="bicubic", align_corners=False)
    return embedding.permute(0, 2, 3, 1)


class Stage(nn.Module):
    """Blocks at one resolution, with the patch merging that leads to the next stage at its end, if there is one."""

    def __init__(self, blocks: list[SwinBlock], downsample: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample
        self.checkpoint_activations = False

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H, W, C): the blocks alone."""
        for block in self.blocks:
            if self.checkpoint_activations and torch.is_grad_enabled() and not is_fx(x):
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        return x


class SwinStages(nn.Module):
    """The common part of every Swin model. Parameter names are the official ones.

    Args:
        config: the architecture.
        geometry: which published code decides at the borders, see `Geometry`.
        attention_backend: how attention is computed, see `swinkit.ops.window_attention`.
        checkpoint_activations: recompute each block in the backward pass instead of keeping what it computed; less
            memory for about a third more time.
    """

    absolute_pos_embed: nn.Parameter | None

    def __init__(
        self,
        config: SwinArchitecture,
        *,
        geometry: Geometry,
        attention_backend: AttentionBackend = "auto",
        checkpoint_activations: bool = False,
    ) -> None:
        super().__init__()
        self.config = config
        self.geometry: Geometry = geometry
        self.patch_embed = PatchEmbed(
            config.patch_size, config.in_channels, config.embed_dim, norm=config.patch_norm, geometry=geometry
        )
        self.absolute_pos_embed = None
        if config.absolute_position_embedding:
            height, width = (side // config.patch_size for side in config.image_size)
            self.absolute_pos_embed = nn.Parameter(torch.zeros(1, config.embed_dim, height, width))
        self.pos_drop = nn.Dropout(config.drop_rate)
        self.layers = nn.ModuleList(_stages(config, geometry, attention_backend))
        self.checkpoint_activations(checkpoint_activations)

    @property
    def num_features(self) -> int:
        """Channels of the last stage, under timm's name."""
        return self.config.widths[-1]

    def no_weight_decay(self) -> set[str]:
        """Parameters on which weight decay does not act beside norms and biases: those of positions. timm asks."""
        return {name for name, _ in self.named_parameters() if name.endswith(POSITIONS)}

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Which layer a parameter belongs to, as timm's `layer_decay` asks: a pattern of names for each depth.

        Groups are timm's: a patch merging is of the block behind it, the last norm of the block before it.

        Args:
            coarse: a stage is one layer; else a block is one.
        """
        mergings = [(rf"^layers\.{stage}\.downsample", (stage + 1, 0)) for stage in range(len(self.config.depths) - 1)]
        blocks = [*mergings, (r"^layers\.(\d+)\.blocks\.(\d+)", None), (r"^norm", (99999,))]
        return {"stem": r"^(?:absolute_pos_embed|patch_embed)", "blocks": r"^layers\.(\d+)" if coarse else blocks}

    def layer_depths(self) -> dict[str, int]:
        """How deep each parameter lies, for rates that fall towards the input: 0 is patch and position embedding, then
        every block is one deeper. Groups are those of `group_matcher`; a head is not among them."""
        depths = self.config.depths
        first = [1 + sum(depths[:stage]) for stage in range(len(depths))]
        found: dict[str, int] = {}
        for name, _ in self.named_parameters():
            parts = name.split(".")
            if parts[0] in ("patch_embed", "absolute_pos_embed"):
                found[name] = 0
            elif parts[0] == "layers":
                stage = int(parts[1])
                found[name] = first[stage] + int(parts[3]) if parts[2] == "blocks" else first[stage + 1]
            elif parts[0].startswith("norm"):
                found[name] = sum(depths)
        return found

    def first_stages(self, count: int) -> tuple[str, ...]:
        """Names of the parts, and of the parameter of positions, up to the end of the stage number `count`, from 1.

        Raises InputError where there are fewer stages.
        """
        if count > len(self.stages):
            raise InputError(f"there are {len(self.stages)} stages to freeze, not {count}")
        position = () if self.absolute_pos_embed is None else ("absolute_pos_embed",)
        return ("patch_embed", *position, "pos_drop", *(f"layers.{stage}" for stage in range(count)))

    @property
    def stages(self) -> list[Stage]:
        """The stages, in order."""
        return cast("list[Stage]", list(self.layers))

    def checkpoint_activations(self, enabled: bool = True) -> None:
        """Turn activation checkpointing on or off."""
        for stage in self.stages:
            stage.checkpoint_activations = enabled

    def use_attention(self, backend: AttentionBackend) -> None:
        """Compute attention in another way, see `swinkit.ops.window_attention`; the result stays the same."""
        check_backend(backend)
        for module in self.modules():
            choose_attention_backend(module, backend)

    def embed(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to patch tokens with their position embedding, (B, H / p, W / p, D)."""
        if self.training:
            self._count_step()
        x = self.patch_embed(images)
        if self.absolute_pos_embed is not None:
            x = x + position_of_map(self.absolute_pos_embed, x)
        return self.pos_drop(x)

    def stage_maps(self, images: Tensor) -> Iterator[Tensor]:
        """The map of each stage, in order, before any output norm: (B, H, W, C) each; later ones only if asked for."""
        x = self.embed(images)
        for stage in self.stages:
            x = stage(x)
            yield x
            if stage.downsample is not None:
                x = stage.downsample(x)

    def last_map(self, images: Tensor) -> Tensor:
        """The map of the last stage, before any output norm: (B, H, W, C). No other map is kept."""
        x = self.embed(images)
        for stage in self.stages:
            x = stage(x)
            if stage.downsample is not None:
                x = stage.downsample(x)
        return x

    def _count_step(self) -> None:
        """Here and not in their forward pass, which activation checkpointing runs twice."""
        if self.config.attention == "performer":
            for module in self.modules():
                if isinstance(module, PerformerAttention) and module.training:  # what is frozen keeps its features
                    module.count_step()

    def initialise(self) -> None:
        """Draw the weights as the published code does: normal of 0.02, cut at 2; the patch convolution keeps PyTorch's
        own; biases 0, norms 1."""
        for name, parameter in self.named_parameters():
            if name.endswith(POSITIONS):
                nn.init.trunc_normal_(parameter, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def _stages(config: SwinArchitecture, geometry: Geometry, backend: AttentionBackend) -> Iterator[Stage]:
    total = sum(config.depths)
    rates = iter(torch.linspace(0, config.drop_path_rate, total, device="cpu", dtype=torch.float64).tolist())
    for index, (dim, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
        blocks = [
            SwinBlock(
                dim,
                build_attention(config, index, number, geometry=geometry, backend=backend),
                mlp_ratio=config.mlp_ratio,
                drop_rate=config.drop_rate,
                drop_path_rate=next(rates),
            )
            for number in range(depth)
        ]
        yield Stage(blocks, PatchMerging(dim) if index + 1 < len(config.depths) else None)
