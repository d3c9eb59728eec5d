"""torch.export with free batch, height and width."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export
from torch.fx.experimental import _config as symbolic_shapes

from swinkit.errors import InputError
from swinkit.export.comparison import SHAPES, Comparison, Shape, compare
from swinkit.export.destination import check_destination
from swinkit.files import written_whole


def export_program(model: nn.Module, images: Tensor) -> ExportedProgram:
    """`model` as an exported program that takes any batch size, height and width.

    Args:
        model: a Swin classifier or backbone, in evaluation mode.
        images: an example (B, C, H, W); B at least 2, and H and W different, so that none is taken for a constant.

    Returns:
        The program; `program.module()` runs it. A classifier's must have more than one token along each side of every
        map, so images of more than 32 pixels a side for a Swin of four stages.
    """
    free = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    # Otherwise every size is assumed not to be 1, which fails for one image or one row of windows.
    # torch adds `patch` to its configuration modules at run time, unseen by type checkers.
    with symbolic_shapes.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        return export(model, (images,), dynamic_shapes=(free,))


EXAMPLE: Shape = (2, 224, 256)
"""(B, H, W) of the images that a model is traced with; see `export_program`."""


def trace(model: nn.Module, *, channels: int = 3, example: Shape = EXAMPLE) -> ExportedProgram:
    """`export_program` with random images; raises InputError where the model cannot be traced."""
    batch, height, width = example
    try:
        with torch.no_grad():
            return export_program(model, torch.randn(batch, channels, height, width))
    except Exception as error:  # torch.export raises whatever the model meets
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"{type(model).__name__} cannot be exported with free sizes: {reason}") from error


def write_program(
    model: nn.Module, out: Path, *, channels: int = 3, example: Shape = EXAMPLE, shapes: tuple[Shape, ...] = SHAPES
) -> list[Comparison]:
    """Write the model, in evaluation mode, as a PyTorch program (.pt2) that `torch.export.load(out).module()` runs.

    Args:
        model: from images (B, channels, H, W) to a tensor or a tuple of tensors.
        out: the file, which must not be there yet.
        channels: of the images.
        example: (B, H, W) to trace with, see `export_program`.
        shapes: (B, H, W) at which the written file is compared with the model.

    Raises:
        InputError: where the model cannot be exported, the file not be written, or the two differ.
    """
    check_destination(out, ".pt2")
    program = trace(model, channels=channels, example=example)
    with written_whole(out) as partial:
        torch.export.save(program, partial)
        loaded = torch.export.load(partial).module()

        def run(images: Tensor) -> tuple[Tensor, ...]:
            found = loaded(images)
            return (found,) if isinstance(found, Tensor) else tuple(found)

        return compare(run, model, channels=channels, shapes=shapes)
