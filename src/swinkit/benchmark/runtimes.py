"""Exported files under ONNX Runtime and OpenVINO, and the matrix products alone: what a CPU allows.

Shapes: B images, H W image.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from swinkit.backbone.variants import VARIANTS
from swinkit.benchmark.candidates import Candidate, Case, Library, build, linear_shapes
from swinkit.errors import InputError
from swinkit.export.comparison import random_trial
from swinkit.export.onnx_file import need_onnx, write_onnx
from swinkit.export.runtimes import has_openvino, load_onnx, load_openvino


def runtime_candidates(case: Case, folder: Path) -> list[Candidate]:
    """swinkit's file (free sizes) and timm's (its own export, of this size and any batch) under each runtime, under
    OpenVINO also where it is told the shape before it compiles, and the products.

    Args:
        case: inference on a CPU; in half precision, which files are not written in, only the products are measured.
        folder: where the ONNX files go; those of an earlier call are taken as they are.

    Raises:
        InputError: where the case is another or the packages for export are missing.
    """
    if case.mode != "inference" or case.device != "cpu":
        raise InputError(f"exported files are measured for inference on a CPU, not for {case.title}")
    found = [Candidate("matrix products alone", _products(case))]
    if case.dtype != "float32":
        return found
    need_onnx()
    images = torch.randn(case.batch, 3, *case.size)
    for library in ("swinkit", "timm"):
        path = _file(case, library, folder)
        if path is None:
            continue
        found.append(Candidate(f"{library}, ONNX Runtime", partial(load_onnx(path), images)))
        if has_openvino():
            found.append(Candidate(f"{library}, OpenVINO", partial(load_openvino(path), images)))
            fixed = load_openvino(path, shape=tuple(images.shape))
            found.append(Candidate(f"{library}, OpenVINO told the size", partial(fixed, images)))
    return found


def _file(case: Case, library: Library, folder: Path) -> Path | None:
    height, width = case.size
    path = folder / (f"{case.model}.onnx" if library == "swinkit" else f"timm_{case.model}_{height}x{width}.onnx")
    if path.exists():
        return path
    model = build(case, library)
    if model is None:
        return None
    if library == "swinkit":
        write_onnx(model, path, trial=random_trial(shapes=((1, 224, 224), (case.batch, *case.size))))
        return path
    with _silence():
        batch = torch.export.Dim.DYNAMIC
        program = torch.onnx.export(
            model, (torch.randn(2, 3, *case.size),), dynamo=True, dynamic_shapes=({0: batch},), verbose=False
        )
        assert program is not None
        program.save(str(path))
    return path


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.root.setLevel(level)


def _products(case: Case) -> Callable[[], object]:
    """All linear layers of the blocks as bare products on tensors that are there already: a bound, no model."""
    dtype = getattr(torch, case.dtype)
    pairs = [
        (torch.randn(case.batch * tokens, inputs).to(dtype), torch.randn(inputs, outputs).to(dtype))
        for tokens, inputs, outputs in linear_shapes(VARIANTS[case.model], case.size)
    ]
    largest = max(a.shape[0] * b.shape[1] for a, b in pairs)
    buffer = torch.empty(largest, dtype=dtype)

    def multiply() -> None:
        for a, b in pairs:
            torch.mm(a, b, out=buffer[: a.shape[0] * b.shape[1]].view(a.shape[0], b.shape[1]))

    return multiply
