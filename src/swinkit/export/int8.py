"""Weights of an ONNX file as 8-bit integers, with what that costs in accuracy and gains in time, both measured.

Shapes: B images, C channels, H W image, K classes.
"""

from __future__ import annotations

import importlib
import logging
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from swinkit.errors import InputError
from swinkit.export.destination import check_destination
from swinkit.export.onnx_file import need_onnx
from swinkit.export.runtimes import load_onnx
from swinkit.files import written_whole

LEAST_GAIN = 1.05
"""An 8-bit file is kept only where it is at least so many times as fast."""
ROUNDS = 7


class Int8Report(NamedTuple):
    """An 8-bit file beside the one it was made from."""

    images: int
    agreement: float
    """Share of the images whose most probable class is the same, 0..1."""
    largest_change: float
    """Largest change of any class probability, 0..1."""
    milliseconds: float
    """Median time for one image."""
    milliseconds_int8: float

    @property
    def gain(self) -> float:
        """How many times as fast it is."""
        return self.milliseconds / self.milliseconds_int8

    @property
    def is_faster(self) -> bool:
        return self.gain >= LEAST_GAIN


def quantize_onnx(path: Path, out: Path, images: Tensor) -> Int8Report:
    """Quantize the matrix products of a classifier's ONNX file; `out` is written only where that is faster here.

    Weights become 8-bit integers, a scale for each output channel; activations are quantized as they come, so nothing
    needs calibrating (ONNX Runtime's dynamic quantization).

    Args:
        path: the file of `write_onnx`.
        out: the file to write, which must not be there yet.
        images: (B, C, H, W) that accuracy is reported on and time is taken with, preprocessed; at least one.

    Raises:
        InputError: where a package is missing or the file cannot be written.
    """
    need_onnx()
    check_destination(out, ".onnx")
    if len(images) == 0:
        raise InputError("the accuracy of an 8-bit file is reported on images; give at least one")
    with written_whole(out) as partial:
        _quantize(path, partial)
        report = _measure(path, partial, images)
        if report.is_faster:
            return report
    out.unlink()
    return report


def _quantize(path: Path, out: Path) -> None:
    quantization: Any = importlib.import_module("onnxruntime.quantization")
    logging.getLogger().setLevel(max(logging.getLogger().level, logging.ERROR))
    quantization.quantize_dynamic(
        str(path),
        str(out),
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul", "Gemm"],
        extra_options={"MatMulConstBOnly": True},
    )


def _measure(path: Path, quantized: Path, images: Tensor) -> Int8Report:
    exact, rough = load_onnx(path), load_onnx(quantized)
    pairs = [(exact(image)[0].softmax(-1), rough(image)[0].softmax(-1)) for image in images.split(1)]
    a, b = (torch.cat(column) for column in zip(*pairs, strict=True))
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for run, times in zip((exact, rough), seconds, strict=True):
            began = time.perf_counter()
            run(images[:1])
            times.append(time.perf_counter() - began)
    return Int8Report(
        images=len(images),
        agreement=(a.argmax(-1) == b.argmax(-1)).float().mean().item(),
        largest_change=(a - b).abs().max().item(),
        milliseconds=statistics.median(seconds[0]) * 1e3,
        milliseconds_int8=statistics.median(seconds[1]) * 1e3,
    )
