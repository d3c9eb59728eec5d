"""The Swin Transformer as an image classifier (paper sections 3.1 and A2.1).

Shapes: B images, H W map, C channels, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from swinkit.backbone.stages import SwinStages
from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.table import backbone_config, describe_backbone
from swinkit.errors import InputError
from swinkit.ops.window_attention import AttentionBackend
from swinkit.weights.hub import pretrained_file, push_pretrained, write_pretrained


class SwinClassifier(SwinStages):
    """Images (B, C, H, W) to logits (B, K). Parameter names are those of the official classification code.

    Any image of at least one patch works, whatever `config.image_size` says, and nothing is remembered from one call
    to the next.

    Args:
        config: the architecture; the default is Swin-T. Its geometry is that of the official classification code unless
            it says otherwise.
        num_classes: K; 0 leaves the head out, and the logits are the pooled features (B, C).
        attention_backend: how attention is computed, see `swinkit.ops.window_attention`.
        checkpoint_activations: see `SwinStages`.
    """

    config: SwinConfig

    def __init__(
        self,
        config: SwinConfig | None = None,
        *,
        num_classes: int = 1000,
        attention_backend: AttentionBackend = "auto",
        checkpoint_activations: bool = False,
    ) -> None:
        config = config or SwinConfig()
        _check_classes(num_classes)
        super().__init__(
            config,
            geometry=config.geometry or "classification",
            attention_backend=attention_backend,
            checkpoint_activations=checkpoint_activations,
        )
        self.num_classes: int = num_classes
        self.norm = nn.LayerNorm(config.widths[-1])
        self.head: nn.Module = nn.Linear(config.widths[-1], num_classes) if num_classes else nn.Identity()
        self.known: dict[str, Any] = {}
        """What else its file said about it, as plain data: `classes`, `preprocessing`, `recipe`, `results`."""
        self.initialise()

    def forward_features(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to the normalised last map (B, h, w, D), as timm's models give it."""
        return self.norm(self.last_map(images))

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """What `forward_features` gave to logits (B, K), or with `pre_logits` to their mean over the map, (B, D)."""
        pooled = features.mean(dim=(1, 2))
        return pooled if pre_logits else self.head(pooled)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K)."""
        return self.forward_head(self.forward_features(images))

    def forward_intermediates(
        self,
        images: Tensor,
        indices: int | Sequence[int] | None = None,
        *,
        norm: bool = False,
        stop_early: bool = False,
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The maps of the stages, as timm's models give them.

        Args:
            images: (B, C, H, W).
            indices: stages, counted from 0 or from the end, -1; a number takes so many last ones, None all.
            norm: whether the last stage's map goes through the norm; there is none for the others.
            stop_early: compute nothing behind the last of them.
            intermediates_only: leave out what `forward_features` gives.

        Returns:
            The normalised last map (B, h, w, D), with `stop_early` the last that was computed, and the maps of the
            stages (B, D_i, h_i, w_i), finest first; or these alone.

        Raises:
            InputError: where there is no such stage.
        """
        count = len(self.stages)
        chosen = chosen_stages(indices, count)
        maps: list[Tensor] = []
        x, is_last = images, False
        for stage, x in enumerate(self.stage_maps(images)):
            is_last = stage == count - 1
            if stage in chosen:
                maps.append((self.norm(x) if norm and is_last else x).permute(0, 3, 1, 2).contiguous())
            if stop_early and stage == max(chosen):
                break
        if intermediates_only:
            return maps
        return (self.norm(x) if is_last else x), maps

    def get_classifier(self) -> nn.Module:
        """The head."""
        return self.head

    def description(self) -> dict[str, Any]:
        """Plain data of which `from_description` builds this model again, without its weights."""
        return {
            "task": "classification",
            "architecture": "swin_classifier",
            "config": {},
            "backbone": describe_backbone(self),
            "num_classes": self.num_classes,
            **self.known,
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Self:
        """A model with fresh weights; raises InputError where this is not the description of a classifier."""
        if description.get("task") != "classification":
            raise InputError(f"this is a {description.get('task')} model, not a classifier")
        backbone, num_classes = description.get("backbone"), description.get("num_classes")
        if not isinstance(backbone, Mapping) or type(num_classes) is not int:
            raise InputError("the description of the classifier is damaged; save the model again")
        config = backbone_config(backbone)
        if not isinstance(config, SwinConfig):
            raise InputError(f"a classifier is a Swin, and this one's backbone is {backbone['architecture']}")
        model = cls(config, num_classes=num_classes)
        model.remember(description)
        return model

    def remember(self, description: Mapping[str, Any]) -> None:
        """Say in files of this model what a description says besides its architecture."""
        self.known = {name: description[name] for name in _KNOWN if name in description}

    @classmethod
    def from_pretrained(cls, source: str | Path) -> Self:
        """The model that `save_pretrained`, `push_to_hub` or a training run wrote, in evaluation mode.

        Args:
            source: the folder of a run or of the hub, a swinkit .safetensors file, or `owner/name[@revision]` on the
                Hugging Face hub.

        Raises:
            InputError: where it cannot be found or is not a swinkit classifier.
        """
        file = pretrained_file(source)
        if file.description is None:
            raise InputError(
                f"{file.path} does not describe its model; build one and fill it with swinkit.load_weights(model, path)"
            )
        description = file.description
        return file.filled(lambda: cls.from_description(description), lambda model: model).eval()

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write model.safetensors, config.json and a README.md into `folder` and return it."""
        return write_pretrained(folder, self, self.description())

    def push_to_hub(self, repository: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Upload the model to `owner/name` on the Hugging Face hub; returns its address."""
        return push_pretrained(repository, self, self.description(), private=private, token=token)

    @torch.no_grad()
    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A fresh head for another number of classes; 0 leaves it out. What was known of the old one is forgotten.

        Args:
            num_classes: K.
            global_pool: timm's word for how maps are pooled; there is only its "avg".

        Raises:
            InputError: where there is no such number of classes or pooling.
        """
        _check_classes(num_classes)
        if global_pool not in (None, "avg"):
            raise InputError(f"a Swin classifier pools by 'avg', not by {global_pool!r}; take forward_features instead")
        self.known = {name: value for name, value in self.known.items() if name == "preprocessing"}
        like = self.norm.weight
        self.num_classes = num_classes
        self.head = nn.Identity()
        if num_classes:
            head = nn.Linear(self.config.widths[-1], num_classes, device=like.device, dtype=like.dtype)
            nn.init.trunc_normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
            self.head = head


def chosen_stages(indices: int | Sequence[int] | None, count: int) -> set[int]:
    """Stages of `count` as `SwinClassifier.forward_intermediates` takes them, counted from 0.

    Raises InputError where there is no such stage.
    """
    wanted = range(count) if indices is None else range(-indices, 0) if isinstance(indices, int) else indices
    if not wanted or not all(-count <= index < count for index in wanted):
        raise InputError(f"there are stages 0 to {count - 1}, not {indices}; negative numbers count from the end")
    return {index % count for index in wanted}


_KNOWN = ("classes", "preprocessing", "recipe", "results")


def _check_classes(num_classes: int) -> None:
    if num_classes < 0:
        raise InputError(f"num_classes must be 0 (no head) or more, not {num_classes}")
