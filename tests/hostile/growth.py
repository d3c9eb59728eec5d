"""How much a process grows over predictions of changing sizes.

python tests/hostile/growth.py --count 1000
"""

# ruff: noqa: E402

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

import torch
from PIL import Image
from readers import models
from safetensors.torch import save_file
from torchvision.transforms.v2.functional import pil_to_tensor

import swinkit
from swinkit.weights.model_file import write_description

WARM = 20
"""Predictions before the first look: the largest size, and what is made once."""


def resident() -> float:
    """MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


@dataclass(frozen=True)
class Size:
    """Of the process, in MiB."""

    resident: float
    used: float
    """Without what the C library keeps of freed memory, which it lays out anew for every size."""

    @classmethod
    def now(cls) -> Size:
        gc.collect()
        before = resident()
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        return cls(before, resident())


def grown(task: str, count: int, folder: Path, *, most: int = 900) -> tuple[Size, Size]:
    """The size after `WARM` predictions, and after `count` others."""
    weights, description = models()[task]
    path = folder / f"{task}.safetensors"
    save_file({name: tensor.clone() for name, tensor in weights.items()}, path, write_description(description))
    predictor = swinkit.open(path)
    draw = random.Random(0)
    sizes = [(most, most)] + [(draw.randrange(100, most), draw.randrange(100, most)) for _ in range(WARM + count)]
    first = Size.now()
    for number, size in enumerate(sizes):
        image = Image.new("RGB", size, (number % 255, 90, 40))
        # A classifier shows all images at one size: its network is asked for theirs.
        predictor.logits(pil_to_tensor(image)[None]) if task == "classifier" else predictor.predict(image)
        if number == WARM:
            first = Size.now()
    return first, Size.now()


def main() -> None:
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--tasks", nargs="*", default=["classifier", "rcnn", "segmentor"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    for task in options.tasks:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            first, last = grown(task, options.count, Path(folder))
        seconds = time.perf_counter() - began
        print(
            f"{task}: {first.resident:.0f} MiB, {last.resident - first.resident:+.0f} MiB after {options.count} "
            f"predictions more, {last.used - first.used:+.0f} MiB of them in use ({seconds:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
