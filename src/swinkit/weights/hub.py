"""Folders of the Hugging Face hub: a model's file, its description and a page about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from torch import Tensor

from swinkit.errors import InputError
from swinkit.files import write_json, write_text
from swinkit.weights.save import save_weights

MODEL_FILE = "model.safetensors"

_CARD = """---
library_name: swinkit
pipeline_tag: image-classification
tags:
- swin
- vision
---

# {title}

A Swin Transformer (arXiv 2103.14030) with {classes} classes, made with swinkit.

```python
import swinkit

model = swinkit.SwinClassifier.from_pretrained("{title}")
```
"""


def write_pretrained(folder: str | Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> Path:
    """Write model.safetensors, config.json and README.md (kept if there is one) into `folder`, and return it.

    Raises InputError where the folder cannot be written.
    """
    folder = Path(folder)
    save_weights(folder / MODEL_FILE, tensors, {"format": "swinkit", "description": json.dumps(description)})
    write_json(folder / "config.json", description, indent=2)
    card = folder / "README.md"
    if not card.exists():
        write_text(card, _CARD.format(title=folder.name, classes=description.get("num_classes", "?")))
    return folder


def upload_pretrained(folder: Path, repository: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Make the repository `owner/name` on the hub, if it is not there, and upload `folder`; returns its address.

    Raises InputError where the hub refuses or does not answer.
    """
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
