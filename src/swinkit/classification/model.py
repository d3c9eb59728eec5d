"""The Swin Transformer as an image classifier (paper sections 3.1 and A2.1).

Shapes: B images, H W map, C channels, K classes.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from swinkit.backbone.stages import SwinStages
from swinkit.backbone.swin import SwinConfig
from swinkit.errors import InputError
from swinkit.ops.geometry import Geometry
from swinkit.ops.window_attention import AttentionBackend
from swinkit.weights.describe import read_description
from swinkit.weights.hub import MODEL_FILE, upload_pretrained, write_pretrained
from swinkit.weights.load import load_weights
from swinkit.weights.source import HUB_PREFIX, resolve


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
        _check_classes(num_classes)
        super().__init__(
            config,
            geometry=geometry,
            attention_backend=attention_backend,
            checkpoint_activations=checkpoint_activations,
        )
        self.num_classes: int = num_classes
        self.norm = nn.LayerNorm(config.widths[-1])
        self.head: nn.Module = nn.Linear(config.widths[-1], num_classes) if num_classes else nn.Identity()
        self.initialise()

    def forward_features(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to pooled features (B, C): the mean over the normalised last map."""
        return self.norm(self.last_map(images)).mean(dim=(1, 2))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.forward_features(images))

    def description(self) -> dict[str, Any]:
        """What `from_description` needs to build this model again, without its weights."""
        return {
            "task": "classification",
            "model": asdict(self.config),
            "num_classes": self.num_classes,
            "geometry": self.geometry,
        }

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> Self:
        """A model with fresh weights; raises InputError where this is not the description of a classifier."""
        if description.get("task") != "classification":
            raise InputError(f"this is a {description.get('task')} model, not a classifier")
        try:
            config = SwinConfig.from_plain(description["model"])
            return cls(config, num_classes=description["num_classes"], geometry=description["geometry"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"the description of the model is damaged or from another version ({error})") from None

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write model.safetensors, config.json and a README.md into `folder` and return it."""
        return write_pretrained(folder, self.state_dict(), self.description())

    @classmethod
    def from_pretrained(cls, source: str | Path) -> Self:
        """The model that `save_pretrained`, `push_to_hub` or a training run wrote, in evaluation mode.

        Args:
            source: a folder, a swinkit .safetensors file, or `owner/name[@revision]` on the Hugging Face hub.

        Raises:
            InputError: where it cannot be found or is not a swinkit classifier.
        """
        path = Path(source)
        if path.is_dir():
            path = path / MODEL_FILE
        elif not path.exists():
            path = resolve(f"{HUB_PREFIX}{str(source).removeprefix(HUB_PREFIX)}")
        description = read_description(path)
        if description is None:
            raise InputError(
                f"{path} does not describe its model; build one and fill it with swinkit.load_weights(model, path)"
            )
        model = cls.from_description(description)
        load_weights(model, path)
        return model.eval()

    def push_to_hub(self, repository: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Upload the model to `owner/name` on the Hugging Face hub; returns its address."""
        with tempfile.TemporaryDirectory() as folder:
            written = self.save_pretrained(Path(folder) / repository.rpartition("/")[2])
            return upload_pretrained(written, repository, private=private, token=token)

    @torch.no_grad()
    def reset_head(self, num_classes: int) -> None:
        """A fresh head for another number of classes; 0 leaves it out."""
        _check_classes(num_classes)
        like = self.norm.weight
        self.num_classes = num_classes
        self.head = nn.Identity()
        if num_classes:
            head = nn.Linear(self.config.widths[-1], num_classes, device=like.device, dtype=like.dtype)
            nn.init.trunc_normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
            self.head = head


def _check_classes(num_classes: int) -> None:
    if num_classes < 0:
        raise InputError(f"num_classes must be 0 (no head) or more, not {num_classes}")
