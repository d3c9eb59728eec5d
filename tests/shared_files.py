"""Where the golden files and the real data sets lie: beside the project, and not in every clone."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_path(name: str) -> Path:
    """Path of `name` below ../shared; skips the calling test where it is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs {name} in the folder ../shared beside the project, which is not part of it")
    return path
