"""What swinkit's own files say about themselves, without reading their tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open


def read_description(path: str | Path) -> dict[str, Any] | None:
    """The description in the header of a safetensors file, or None where the file has none or is of another kind."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        description = json.loads(metadata.get("description", "null"))
    except (SafetensorError, OSError, ValueError):
        return None
    return description if isinstance(description, dict) else None
