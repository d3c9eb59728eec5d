"""Dividing annotation files into splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swinkit.training.data.split_names import split_of

UNDIVIDED = "objects"
"""The name of the only part of a data set that has no division."""


def by_folder(root: Path, files: Sequence[Path]) -> dict[str, list[Path]]:
    """By the folders that the files lie in; those in no folder of a split's name are one part."""
    parts: dict[str, list[Path]] = {}
    for path in files:
        splits = [split for part in path.relative_to(root).parts[:-1] if (split := split_of(part))]
        parts.setdefault(splits[0] if splits else UNDIVIDED, []).append(path)
    return parts
