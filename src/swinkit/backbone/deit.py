"""DeiT-S with the feature pyramid that the paper compares Swin with (tables 2b and 3): a backbone of timm's DeiT.

Inferred. The paper says that "deconvolution layers" make hierarchical maps of DeiT's, following SETR, and released no
code. Of the constructions that were tried, only those fit both published parameter counts and both published operation
counts whose maps are all as wide as DeiT and whose deconvolutions work channel by channel: any full deconvolution is
excluded in both tables. Where norm and activation stand is as in BEiT's pyramid; the counts do not show it.

Shapes: B images, H W image, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn

from swinkit.errors import InputError

STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True)
class DeiTPyramidConfig:
    """DeiT with a feature pyramid as a value."""

    name: str = "deit_small_patch16_224"
    """A vision transformer of the timm library with patches of 16 pixels."""
    levels: tuple[int, ...] = STRIDES
    """Which strides give features."""
    pretrained: bool = False
    """Start from timm's own weights, which are downloaded."""
    drop_path_rate: float = 0.0
    """Stochastic depth of the last block, 0..1; it grows linearly from 0."""

    def __post_init__(self) -> None:
        if not self.levels or sorted(set(self.levels) & set(STRIDES)) != list(self.levels):
            raise InputError(f"levels {tuple(self.levels)} must be ascending strides of {STRIDES}")
        if not 0.0 <= self.drop_path_rate < 1.0:
            raise InputError(f"drop_path_rate must lie in 0 <= rate < 1, not {self.drop_path_rate}")

    def build(self, *, checkpoint_activations: bool = False) -> DeiTPyramid:
        """The backbone; raises InputError where timm is not installed or has no such model."""
        return DeiTPyramid(self, checkpoint_activations=checkpoint_activations)

    def without_dropout(self) -> Self:
        """The same with nothing left to chance in training."""
        return replace(self, drop_path_rate=0.0)

    def from_stride(self, stride: int) -> Self:
        """The same without features finer than `stride`; raises InputError where none is left."""
        kept = tuple(level for level in self.levels if level >= stride)
        if not kept:
            raise InputError(f"the backbone's strides {self.levels} are all finer than the {stride} that are needed")
        return replace(self, levels=kept)


class DeiTPyramid(nn.Module):
    """Images (B, 3, H, W) to features of strides 4, 8, 16 and 32, all as wide as the transformer (384 of DeiT-S).

    The tokens behind the last norm are the map of stride 16. Two deconvolutions make that of stride 4, one that of
    stride 8, and 2 x 2 maxima that of stride 32. Sides are padded with zeros to multiples of 32; the position embedding
    is resized, bicubic. Parameter names of `vit` are timm's, which are those of the official DeiT.

    Raises InputError where timm is not installed or has no such model.
    """

    def __init__(self, config: DeiTPyramidConfig, *, checkpoint_activations: bool = False) -> None:
        super().__init__()
        self.vit = _timm_transformer(config)
        self.vit.set_grad_checkpointing(checkpoint_activations)
        self.vit.requires_grad_(True)
        # What a file says: opening it downloads nothing, since its own weights follow.
        self.config = replace(config, pretrained=False)
        dim = int(self.vit.embed_dim)
        if 4 in config.levels:
            self.up4 = nn.Sequential(_doubled(dim), nn.BatchNorm2d(dim), nn.GELU(), _doubled(dim))
        if 8 in config.levels:
            self.up8 = _doubled(dim)
        self.strides: tuple[int, ...] = tuple(config.levels)
        self.channels: tuple[int, ...] = (dim,) * len(self.strides)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to one (B, C, 32 ceil(H / 32) / s, 32 ceil(W / 32) / s) for each stride s, finest first."""
        height, width = (-(-side // 32) * 32 for side in images.shape[2:])
        images = F.pad(images, (0, width - images.shape[3], 0, height - images.shape[2]))
        tokens = self.vit.forward_features(images)[:, self.vit.num_prefix_tokens :]
        x = tokens.transpose(1, 2).unflatten(2, (height // 16, width // 16))  # (B, C, H / 16, W / 16)
        return [self._level(x, stride) for stride in self.strides]

    def layer_depths(self) -> dict[str, int]:
        """How deep each parameter of the transformer lies, as timm counts: 0 is the patch embedding, then every block
        is one deeper. The deconvolutions, which are new, are not among them."""
        from timm.models import group_parameters

        depths: dict[str, int] = group_parameters(self.vit, self.vit.group_matcher(), reverse=True)
        return {f"vit.{name}": depth for name, depth in depths.items()}

    def _level(self, x: Tensor, stride: int) -> Tensor:
        if stride < 16:
            return self.get_submodule(f"up{stride}")(x)
        return x if stride == 16 else F.max_pool2d(x, 2)


def _doubled(dim: int) -> nn.ConvTranspose2d:
    """Twice the resolution, channel by channel."""
    return nn.ConvTranspose2d(dim, dim, 2, 2, groups=dim)


def _timm_transformer(config: DeiTPyramidConfig) -> Any:
    try:
        import timm
    except ImportError:
        raise InputError(
            f"the backbone {config.name} comes from the timm library; install it with pip install timm"
        ) from None
    try:
        model: Any = timm.create_model(
            config.name,
            pretrained=config.pretrained,
            num_classes=0,
            dynamic_img_size=True,
            drop_path_rate=config.drop_path_rate,
        )
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"timm has no vision transformer {config.name!r} for a pyramid ({reason})") from None
    if tuple(model.patch_embed.patch_size) != (16, 16):
        raise InputError(f"patches of {config.name} have {model.patch_embed.patch_size} pixels; give one with 16")
    return model
