"""torch.export with free batch, height and width."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export
from torch.fx.experimental import _config as symbolic_shapes
from torch.torch_version import TorchVersion

from swinkit.errors import InputError
from swinkit.export.comparison import Comparison, Outputs, Trial, compare, random_trial
from swinkit.export.destination import check_destination
from swinkit.files import written_whole

METADATA = "swinkit.json"
"""The file in a program's archive that says what it is."""
TRACES_ALL = "2.14"
"""The version of PyTorch that was tried and traces every model; 2.11 does not."""


def export_program(model: nn.Module, images: Tensor, *, is_batch_free: bool = True) -> ExportedProgram:
    """`model` as an exported program that takes any batch size, height and width.

    Args:
        model: a Swin classifier or backbone, in evaluation mode.
        images: an example (B, C, H, W); B at least 2, and H and W different, so that none is taken for a constant.
        is_batch_free: whether the batch size is, too, else it is that of the example.

    Returns:
        The program; `program.module()` runs it. A classifier's must have more than one token along each side of every
        map, so images of more than 32 pixels a side for a Swin of four stages.
    """
    free = {2: Dim.DYNAMIC, 3: Dim.DYNAMIC} | ({0: Dim.DYNAMIC} if is_batch_free else {})
    # Otherwise every size is assumed not to be 1, which fails for one image or one row of windows.
    # torch adds `patch` to its configuration modules at run time, unseen by type checkers.
    with symbolic_shapes.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        return export(model, (images,), dynamic_shapes=(free,))


def trace(model: nn.Module, trial: Trial) -> ExportedProgram:
    """`export_program` with a trial's example; raises InputError where the model cannot be traced."""
    try:
        # Older versions print the whole graph where they fail.
        with torch.no_grad(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return export_program(model, trial.example, is_batch_free=trial.is_batch_free)
    except Exception as error:  # torch.export raises whatever the model meets
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        told = f"{type(model).__name__} cannot be exported with free sizes"
        if TorchVersion(torch.__version__) < TRACES_ALL:
            told += (
                f" by PyTorch {torch.__version__}, whereas {TRACES_ALL} can all of swinkit's, cascades and soft-NMS "
                "too (pip install --upgrade torch torchvision)"
            )
        raise InputError(f"{told}: {reason}") from error


def write_program(
    model: nn.Module, out: Path, *, trial: Trial | None = None, metadata: Mapping[str, str] | None = None
) -> list[Comparison]:
    """Write the model, in evaluation mode, as a PyTorch program (.pt2) that `torch.export.load(out).module()` runs.

    Args:
        model: from images (B, C, H, W) to a tensor or a tuple of tensors.
        out: the file, which must not be there yet.
        trial: what the model is traced with and the written file compared on; random normalised images by default.
        metadata: texts that the file carries, as JSON in `METADATA`, which `torch.export.load(out, extra_files={...})`
            reads.

    Raises:
        InputError: where the model cannot be exported, the file not be written, or the two differ.
    """
    check_destination(out, ".pt2")
    trial = trial or random_trial()
    program = trace(model, trial)
    with written_whole(out) as partial:
        extra = {METADATA: json.dumps(dict(metadata or {}), ensure_ascii=False)}
        torch.export.save(program, partial, extra_files=extra)
        loaded = torch.export.load(partial).module()

        def run(images: Tensor) -> Outputs:
            found = loaded(images)
            return (found,) if isinstance(found, Tensor) else tuple(found)

        return compare(run, model, trial)
