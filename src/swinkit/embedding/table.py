"""Features in a file.

Shapes: N images, C channels.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from swinkit.errors import InputError
from swinkit.files import written_whole

ENDINGS = (".npz", ".csv")


def check_ending(path: Path) -> None:
    """Raises InputError where features cannot be written under that name."""
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"features are written as .npz or .csv; name {path} with one of these endings")


def write_features(path: Path, features: np.ndarray, images: Sequence[str], labels: Sequence[str] | None) -> None:
    """Write features (N, C), the images' paths and their classes, if they have any, whole or not at all.

    An .npz holds `features` (N, C) float32, `images` and `labels` (N,) texts; a .csv a line an image: image, label, f0,
    f1, ... Raises InputError where it cannot be written.
    """
    check_ending(path)
    with written_whole(path) as temporary:
        if path.suffix.lower() == ".npz":
            columns: dict[str, Any] = {"features": features.astype(np.float32), "images": np.array(images, dtype=str)}
            columns |= {} if labels is None else {"labels": np.array(labels, dtype=str)}
            with temporary.open("wb") as file:
                np.savez_compressed(file, **columns)
            return
        with temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as text:
            lines = csv.writer(text)
            head = ["image", *([] if labels is None else ["label"])]
            lines.writerow([*head, *(f"f{number}" for number in range(features.shape[1]))])
            for number, row in enumerate(features.astype(np.float32)):
                said = [images[number], *([] if labels is None else [labels[number]])]
                lines.writerow([*said, *(f"{value:.8g}" for value in row)])
