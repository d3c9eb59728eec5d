"""A model as an ONNX file for ONNX Runtime, OpenVINO, TensorRT and whatever else reads it.

Shapes: B images, H W image.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from swinkit.errors import InputError
from swinkit.export.comparison import Comparison, Trial, compare, random_trial
from swinkit.export.destination import check_destination
from swinkit.export.pooling import with_free_pooling
from swinkit.export.program import trace
from swinkit.export.runtimes import OPENVINO, has_openvino, load_onnx, load_openvino, missing_packages
from swinkit.files import written_whole

OPSET = 18
"""Newest operators that all of ONNX Runtime, OpenVINO and TensorRT 10 know, LayerNormalization (17) among them."""
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def need_onnx() -> None:
    """Raise an InputError where the packages that write, run and compare ONNX files are not installed."""
    missing = missing_packages(PACKAGES)
    if missing:
        raise InputError(f"ONNX export needs {', '.join(missing)}; install swinkit with pip install 'swinkit[export]'")


def write_onnx(
    model: nn.Module,
    out: Path,
    *,
    output_names: Sequence[str] = ("logits",),
    metadata: Mapping[str, str] | None = None,
    trial: Trial | None = None,
) -> list[Comparison]:
    """Write the model, in evaluation mode, as one ONNX file for any height, width and, if asked for, batch size, and
    run it.

    Args:
        model: from images (B, C, H, W) to a tensor or a tuple of tensors.
        out: the file, which must not be there yet. Its input is called `images`.
        output_names: what the outputs are called.
        metadata: texts that the file carries, such as class names.
        trial: what the model is traced with, and what ONNX Runtime and, where it is installed, OpenVINO are compared
            with it on; random normalised images by default.

    Returns:
        What ONNX Runtime's results are apart from the model's.

    Raises:
        InputError: where a package is missing, the model cannot be exported, the file not be written, or a runtime
            gives another result than the model.
    """
    need_onnx()
    check_destination(out, ".onnx")
    trial = trial or random_trial()
    program = trace(with_free_pooling(model), trial)
    with written_whole(out) as partial:
        _convert(program, partial, list(output_names))
        _tidy(partial, metadata or {}, is_batch_free=trial.is_batch_free)
        compared = compare(load_onnx(partial), model, trial)
        if has_openvino():
            compare(load_openvino(partial), model, trial, name=f"the exported file under {OPENVINO}")
        return compared


def _convert(program: ExportedProgram, out: Path, output_names: list[str]) -> None:
    try:
        with _silence():
            converted = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=["images"],
                output_names=output_names,
                optimize=True,
                verbose=False,
                custom_translation_table={torch.ops.aten.gelu.default: _gelu()},
            )
            assert converted is not None
            converted.save(str(out))
    except OSError:
        raise
    except Exception as error:  # the converter raises classes of its own
        raise InputError(f"PyTorch's converter cannot write this model as ONNX: {_reason(error)}") from error


def _gelu() -> Callable[..., Any]:
    """GELU, the exact one in that order of operations which ONNX Runtime and OpenVINO recognise and do in one go."""
    op: Any = importlib.import_module("onnxscript").opset18

    def constant(value: float) -> Any:
        return op.Constant(value_float=value)

    def gelu(x: Any, approximate: str = "none") -> Any:
        if approximate == "tanh":
            cube = op.Mul(op.Mul(x, op.Mul(x, x)), constant(0.044715))
            inner = op.Tanh(op.Mul(op.Add(x, cube), constant(math.sqrt(2 / math.pi))))
        else:
            inner = op.Erf(op.Div(x, constant(math.sqrt(2))))
        return op.Mul(op.Mul(x, op.Add(inner, constant(1.0))), constant(0.5))

    return gelu


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The converter's advice is for who writes converters."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _tidy(path: Path, metadata: Mapping[str, str], *, is_batch_free: bool) -> None:
    """Name the free sizes, add the metadata, and drop what the converter noted of its own source files."""
    onnx: Any = importlib.import_module("onnx")
    file = onnx.load(str(path))
    graph = file.graph
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output, graph):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]
    _name_sizes(graph.input[0], ("batch" if is_batch_free else None, None, "height", "width"))
    for output in graph.output:
        _name_sizes(output, ("batch" if is_batch_free else "found",))
    del file.metadata_props[:]
    for key, value in metadata.items():
        file.metadata_props.add(key=key, value=value)
    onnx.save(file, str(path))


def _name_sizes(value: Any, names: tuple[str | None, ...]) -> None:
    for size, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
        if name is not None:
            size.dim_param = name
