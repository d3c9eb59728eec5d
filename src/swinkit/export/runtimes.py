"""ONNX files run: by ONNX Runtime and by OpenVINO, and what is said in them.

Shapes: B images, C channels, H W image.
"""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from swinkit.errors import InputError, border
from swinkit.export.comparison import Outputs, Run
from swinkit.files import parse_json
from swinkit.structures import ExportedFile

ONNX_RUNTIME, OPENVINO = "ONNX Runtime", "OpenVINO"
SUFFIX = ".onnx"
IN_JSON = ("classes", "preprocessing")
"""What the metadata hold as JSON; the rest are texts."""
ROUNDS = 5


def missing_packages(names: Sequence[str]) -> list[str]:
    """Those that are not installed."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return not missing_packages(["openvino"])


def is_exported(source: str | Path) -> bool:
    """Whether the name is that of an ONNX file."""
    return Path(source).suffix == SUFFIX


def has_bf16() -> bool:
    """Whether OpenVINO, which must be installed, computes in bf16 on this processor rather than imitating it."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def open_exported(
    path: Path, *, threads: int | None = None, precision: Literal["fp32", "bf16"] = "fp32"
) -> ExportedFile:
    """An ONNX file that `swinkit export` wrote, run by ONNX Runtime or, in bf16, by OpenVINO; raises InputError where
    it is another or cannot be run, or the processor has no bf16."""
    session = _session(path, threads)
    metadata: dict[str, Any] = dict(session.get_modelmeta().custom_metadata_map)
    if metadata.get("format") != "swinkit" or not all(name in metadata for name in ("task", *IN_JSON)):
        raise InputError(f"{path} does not say what its outputs are; give a file that swinkit export wrote")
    for name in IN_JSON:
        metadata[name] = parse_json(metadata[name], f"the {name} in {path}", advice="export the model again")
    classes = metadata["classes"]
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise InputError(f"{path} names no classes; export the model again")
    run = _runner(session) if precision == "fp32" else _in_bf16(path)

    def run_or_say(images: Tensor) -> Outputs:
        with border(f"{path} cannot be run on an image of {tuple(images.shape[2:])}", "export the model again"):
            return run(images)

    return ExportedFile(path, metadata["task"], tuple(classes), metadata, run_or_say)


def load_onnx(path: Path, *, threads: int | None = None) -> Run:
    """The file as a function of images on the CPU, run by ONNX Runtime; `threads` defaults to PyTorch's number."""
    return _runner(_session(path, threads))


def load_openvino(
    path: Path, *, precision: Literal["fp32", "bf16"] = "fp32", shape: tuple[int, ...] | None = None
) -> Run:
    """The file as a function of images, run by OpenVINO in this precision with as many threads as PyTorch has; where
    `shape`, the (B, C, H, W) that all images will have, is told, faster."""
    core = _core()
    model = core.read_model(str(path))
    if shape is not None:
        model.reshape(shape)
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled = core.compile_model(model, "CPU", settings)

    def run(images: Tensor) -> Outputs:
        found = compiled([images.numpy()])
        return tuple(torch.from_numpy(found[each].copy()) for each in compiled.outputs)

    return run


def median_seconds(work: Mapping[str, Run], images: Tensor) -> dict[str, float]:
    """How long each takes for these images, by name: the median of `ROUNDS`, taken in turns, after one to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    with torch.no_grad():
        for _ in range(ROUNDS + 1):
            for name, run in work.items():
                began = time.perf_counter()
                run(images)
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


@cache
def _core() -> Any:
    """OpenVINO, once for the process and until its end.

    The CPU part of each `Core` puts a signal stack of its own in place of the thread's and, when it ends, the one it
    found back: of two that end in the order in which they began, the second puts back memory that is freed. The next
    signal for which Python has a handler, such as that of a child that ends, then kills the process.
    """
    openvino: Any = importlib.import_module("openvino")
    return openvino.Core()


def _in_bf16(path: Path) -> Run:
    if not has_openvino():
        raise InputError(
            f"{path} is run in bf16 by OpenVINO, which is not installed; pip install openvino, or leave --precision out"
        )
    if not has_bf16():
        raise InputError("this processor does not compute in bf16; leave --precision out")
    return load_openvino(path, precision="bf16")


def _session(path: Path, threads: int | None) -> Any:
    if missing_packages(["onnxruntime"]):
        raise InputError(f"{path} is run by onnxruntime; install swinkit with pip install 'swinkit[export]'")
    onnxruntime: Any = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    with border(f"{path} is no ONNX file that can be run", "export the model again"):
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _runner(session: Any) -> Run:
    name = session.get_inputs()[0].name

    def run(images: Tensor) -> Outputs:
        return tuple(torch.from_numpy(each) for each in session.run(None, {name: images.numpy()}))

    return run
