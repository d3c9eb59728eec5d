"""Folders of the Hugging Face hub: a model's file, its description and a page about it.

huggingface_hub's own mixin rebuilds a model from the arguments of its constructor; ours are handed their parts built,
and a file of ours describes them. So the files are written here, and the hub's client moves them.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from swinkit.errors import InputError
from swinkit.files import exists, write_json, write_text
from swinkit.weights.model_file import ModelFile, read_model_file, write_description
from swinkit.weights.save import save_weights
from swinkit.weights.source import HUB_PREFIX

MODEL_FILE = "model.safetensors"

_PIPELINES = {
    "classification": "image-classification",
    "detection": "object-detection",
    "segmentation": "image-segmentation",
}


class Shareable(ABC):
    """What can be saved as a folder and uploaded: something with a `model` and a `description` of it."""

    model: nn.Module
    description: dict[str, Any]
    """Plain data that builds the model again and says what is known about it: `task`, `classes`, `results`, ..."""

    @classmethod
    @abstractmethod
    def from_file(cls, file: ModelFile, *, device: torch.device) -> Self:
        """What a file of such a model holds; raises InputError where it holds none."""

    @classmethod
    def from_pretrained(cls, source: str | Path, *, device: str | torch.device | None = None) -> Self:
        """What `save_pretrained`, `push_to_hub` or a training run wrote, with its classes, preprocessing and results.

        Args:
            source: the folder of a run or of the hub, a model's file, or `owner/name[@revision]` on the hub.
            device: where the model goes, such as "cuda"; None is the CPU.

        Raises:
            InputError: where it cannot be found, or is a model of another task.
        """
        return cls.from_file(pretrained_file(source), device=torch.device(device or "cpu"))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write model.safetensors, config.json and a model card (README.md, kept if there is one) into `folder`.

        Returns:
            The folder; `swinkit.open(folder)` opens it again.

        Raises:
            InputError: where it cannot be written.
        """
        _refuse_exported(self.description)
        return write_pretrained(folder, self.model, self.description)

    def push_to_hub(self, repository: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Upload the model to `owner/name` on the Hugging Face hub; returns its address.

        Raises InputError where the hub refuses or does not answer.
        """
        _refuse_exported(self.description)
        return push_pretrained(repository, self.model, self.description, private=private, token=token)


def _refuse_exported(description: Mapping[str, Any]) -> None:
    if "exported" in description:
        raise InputError(
            f"{description['exported']} is an exported file already; save the checkpoint that it was made of"
        )


def pretrained_file(source: str | Path) -> ModelFile:
    """The file of a model in a folder, at a path or, where there is neither, in `owner/name` on the hub."""
    on_hub = f"{HUB_PREFIX}{str(source).removeprefix(HUB_PREFIX)}"
    return read_model_file(source if exists(Path(source)) else on_hub)


def write_pretrained(
    folder: str | Path, model: nn.Module, description: Mapping[str, Any], *, title: str | None = None
) -> Path:
    """See `Shareable.save_pretrained`; the card's `title` is the folder's name by default."""
    folder = Path(folder)
    save_weights(folder / MODEL_FILE, model.state_dict(), write_description(description))
    write_json(folder / "config.json", description, indent=2)
    card = folder / "README.md"
    if not exists(card):
        write_text(card, model_card(title or folder.name, description))
    return folder


def push_pretrained(
    repository: str,
    model: nn.Module,
    description: Mapping[str, Any],
    *,
    private: bool | None = None,
    token: str | None = None,
) -> str:
    """See `Shareable.push_to_hub`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / repository.rpartition("/")[2]
        write_pretrained(folder, model, description, title=repository)
        return upload_pretrained(folder, repository, private=private, token=token)


def model_card(title: str, description: Mapping[str, Any]) -> str:
    """A page that says what is known about a model, in the hub's form."""
    task = description["task"]
    classes = [str(name) for name in description.get("classes") or []]
    facts = [f"- Architecture: {description.get('architecture')}, backbone {_backbone(description)}"]
    if classes:
        facts.append(f"- Classes ({len(classes)}): {', '.join(classes[:20])}{', ...' if len(classes) > 20 else ''}")
    recipe = description.get("recipe") or {}
    if recipe.get("name"):
        facts.append(f"- Trained by the recipe `{recipe['name']}` of swinkit")
    for name, value in (description.get("results") or {}).items():
        if isinstance(value, (int, float)):
            facts.append(f"- {name.removeprefix('val/')} on the validation data: {value:.4f}")
    return f"""---
library_name: swinkit
pipeline_tag: {_PIPELINES[task]}
tags:
- swin
- vision
---

# {title}

A Swin Transformer (arXiv 2103.14030) for {task}.

{chr(10).join(facts)}

```python
import swinkit

model = swinkit.open("hf-hub:{title}")
print(model.predict("image.jpg"))
```
"""


def _backbone(description: Mapping[str, Any]) -> str:
    backbone = description.get("backbone") or {}
    config = backbone.get("config") or {}
    if backbone.get("architecture") == "swin":
        width, depths, window = (config.get(name) for name in ("embed_dim", "depths", "window_size"))
        return f"Swin of width {width}, depths {depths}, window {window}"
    return str(config.get("name", backbone.get("architecture")))


def upload_pretrained(folder: Path, repository: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Make the repository `owner/name` on the hub, if it is not there, and upload `folder`; returns its address.

    Raises InputError where the hub refuses or does not answer.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(token=token)
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder)
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"cannot upload to the hub repository {repository} ({reason}); check the name, the network and your token"
        ) from None
    return f"{api.endpoint}/{repository}"
