"""The Swin Transformer as an image classifier (paper sections 3.1 and A2.1).

Shapes: B images, H W map, C channels, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swinkit.backbone import Geometry, SwinConfig, SwinStages
from swinkit.errors import InputError
from swinkit.ops.window_attention import AttentionBackend


class SwinClassifier(SwinStages):
    """Images (B, C, H, W) to logits (B, K). Parameter names are those of the official classification code.

    Any image of at least one patch works, whatever `config.image_size` says, and nothing is remembered from one call
    to the next.

    Args:
        config: the architecture; the default is Swin-T.
        num_classes: K; 0 leaves the head out, and the logits are the pooled features (B, C).
        geometry: "classification" is the official classification code, see `Geometry`.
        attention_backend: how attention is computed, see `swinkit.ops.window_attention`.
        checkpoint_activations: see `SwinStages`.
    """

    def __init__(
        self,
        config: SwinConfig | None = None,
        *,
        num_classes: int = 1000,
        geometry: Geometry = "classification",
        attention_backend: AttentionBackend = "auto",
        checkpoint_activations: bool = False,
    ) -> None:
        config = config or SwinConfig()
        if num_classes < 0:
            raise InputError(f"num_classes must be 0 (no head) or more, not {num_classes}")
        super().__init__(
            config,
            geometry=geometry,
            attention_backend=attention_backend,
            checkpoint_activations=checkpoint_activations,
        )
        self.num_classes = num_classes
        self.norm = nn.LayerNorm(config.widths[-1])
        self.head = nn.Linear(config.widths[-1], num_classes) if num_classes else nn.Identity()
        self.initialise()

    def forward_features(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to pooled features (B, C): the mean over the normalised last map."""
        *_, x = self.stage_maps(images)
        return self.norm(x).mean(dim=(1, 2))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.forward_features(images))

    @torch.no_grad()
    def reset_head(self, num_classes: int) -> None:
        """A fresh head for another number of classes."""
        self.num_classes = num_classes
        head = nn.Linear(self.config.widths[-1], num_classes, device=self.norm.weight.device)
        nn.init.trunc_normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        self.head = head
