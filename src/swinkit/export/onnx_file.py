"""A model as an ONNX file for ONNX Runtime, OpenVINO, TensorRT and whatever else reads it.

Shapes: B images, H W image.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from swinkit.errors import InputError
from swinkit.export.comparison import SHAPES, Comparison, Shape, compare
from swinkit.export.destination import check_destination
from swinkit.export.pooling import with_free_pooling
from swinkit.export.program import EXAMPLE, trace
from swinkit.files import written_whole

OPSET = 18
"""Newest operators that all of ONNX Runtime, OpenVINO and TensorRT 10 know, LayerNormalization (17) among them."""
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def need_onnx() -> None:
    """Raise an InputError where the packages that write, run and compare ONNX files are not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"ONNX export needs {', '.join(missing)}; install swinkit with pip install 'swinkit[export]'")


def write_onnx(
    model: nn.Module,
    out: Path,
    *,
    output_names: Sequence[str] = ("logits",),
    metadata: Mapping[str, str] | None = None,
    channels: int = 3,
    example: Shape = EXAMPLE,
    shapes: tuple[Shape, ...] = SHAPES,
) -> list[Comparison]:
    """Write the model, in evaluation mode, as one ONNX file for any batch size, height and width, and run it.

    Args:
        model: from images (B, channels, H, W) to a tensor or a tuple of tensors.
        out: the file, which must not be there yet. Its input is called `images`.
        output_names: what the outputs are called.
        metadata: texts that the file carries, such as class names.
        channels: of the images.
        example: (B, H, W) to trace with, see `export_program`.
        shapes: (B, H, W) at which ONNX Runtime is compared with the model.

    Raises:
        InputError: where a package is missing, the model cannot be exported, the file not be written, or ONNX Runtime
            gives another result than the model.
    """
    need_onnx()
    check_destination(out, ".onnx")
    program = trace(with_free_pooling(model), channels=channels, example=example)
    with written_whole(out) as partial:
        _convert(program, partial, list(output_names))
        _tidy(partial, metadata or {})
        return compare(load_onnx(partial), model, channels=channels, shapes=shapes)


def load_onnx(path: Path, *, threads: int | None = None) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """The file as a function of images on the CPU, run by ONNX Runtime; `threads` defaults to PyTorch's number."""
    need_onnx()
    onnxruntime: Any = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(each) for each in session.run(None, {name: images.numpy()}))

    return run


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


def _tidy(path: Path, metadata: Mapping[str, str]) -> None:
    """Name the free sizes, add the metadata, and drop what the converter noted of its own source files."""
    onnx: Any = importlib.import_module("onnx")
    file = onnx.load(str(path))
    graph = file.graph
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output, graph):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]
    _name_sizes(graph.input[0], ("batch", None, "height", "width"))
    for output in graph.output:
        _name_sizes(output, ("batch",))
    del file.metadata_props[:]
    for key, value in metadata.items():
        file.metadata_props.add(key=key, value=value)
    onnx.save(file, str(path))


def _name_sizes(value: Any, names: tuple[str | None, ...]) -> None:
    for size, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
        if name is not None:
            size.dim_param = name
