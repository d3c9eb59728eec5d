"""Weights of any known code base as one safe file with official names."""

from __future__ import annotations

from pathlib import Path

from swinkit.errors import InputError, border
from swinkit.files import exists
from swinkit.weights.formats import SWINKIT, UNKNOWN, Recognised, recognise
from swinkit.weights.read import read_weights_file
from swinkit.weights.save import save_weights
from swinkit.weights.source import resolve


def convert(source: str | Path, out: str | Path) -> Recognised:
    """Write the weights of `source` to `out` as safetensors under official names.

    Reads everything that `load_weights` reads, and also self-trained files of the official classification code, which
    carry a yacs config: the config is skipped without being executed. Values and dtypes stay as they are.

    Args:
        source: see `resolve`.
        out: a file that does not exist yet. Its header says `format: swinkit` and names the `source_format`.

    Returns:
        What was written, with the names that were left out.

    Raises:
        InputError: where the source cannot be read or is no known Swin, or `out` exists or cannot be written.
    """
    out = Path(out)
    if exists(out):
        raise InputError(f"{out} exists already; give another name or remove it first")
    file = read_weights_file(resolve(source), skip_config=True)
    with border(f"{file.path} holds no weights that swinkit knows", "give another file"):
        recognised = recognise(file.tensors, file.metadata)
    if recognised.format == UNKNOWN:
        raise InputError(
            f"{file.path} holds no Swin that swinkit knows (its names begin with {', '.join(list(file.tensors)[:3])}); "
            "give a Swin of the official code, timm, torchvision, transformers, OpenMMLab or detectron2"
        )
    header = file.metadata | {"format": SWINKIT, "source_format": recognised.format}
    save_weights(out, recognised.tensors, header)
    return recognised
