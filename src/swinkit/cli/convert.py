"""swinkit convert FILE OUT"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from swinkit.weights.convert import convert


@dataclass(frozen=True)
class ConvertOptions:
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Weights of the official code, timm, torchvision, transformers or OpenMMLab, with whatever lies beside them."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """The safetensors file to write; it must not be there yet."""


def convert_command(arguments: Sequence[str]) -> None:
    """Write weights of any code base as safetensors with the official names, without executing anything in them."""
    options = tyro.cli(
        ConvertOptions, args=list(arguments), prog="swinkit convert", description=convert_command.__doc__
    )
    recognised = convert(options.file, options.out)
    print(f"{options.out}: {len(recognised.tensors)} tensors from {recognised.format} weights")
    if recognised.dropped:
        print(f"  left out (computed or not of the model): {len(recognised.dropped)}, such as {recognised.dropped[0]}")
