"""swinkit export CHECKPOINT --to onnx|torch"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from swinkit.classification.predictor import Classifier
from swinkit.cli.image_paths import image_paths
from swinkit.errors import InputError
from swinkit.export.comparison import Comparison
from swinkit.export.destination import check_destination
from swinkit.export.int8 import quantize_onnx
from swinkit.export.onnx_file import need_onnx, write_onnx
from swinkit.export.program import write_program
from swinkit.files import exists, is_folder
from swinkit.images.read import read_image
from swinkit.serialization import to_plain
from swinkit.weights.model_file import read_model_file

MOST_IMAGES = 256
"""The 8-bit report takes no more images than this."""


@dataclass(frozen=True)
class ExportOptions:
    checkpoint: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
    """A model file, the folder of a run, a name that `swinkit models` lists, an address, or hf-hub:owner/name."""
    to: Literal["onnx", "torch"]
    """onnx: a file for ONNX Runtime, OpenVINO or TensorRT. torch: a program that torch.export.load reads."""
    out: Path | None = None
    """The file to write; it must not be there yet. Default: beside the checkpoint, ending in .onnx or .pt2; of a
    name or an address, in this folder."""
    int8: bool = False
    """Also write NAME_int8.onnx with 8-bit weights, if it is faster on this machine. Needs --images."""
    images: Path | None = None
    """Folder of images on which the accuracy of the 8-bit file is reported."""


def export_command(arguments: Sequence[str]) -> None:
    """Write a model for another runtime, for any batch size, height and width, and compare it with the original."""
    options = tyro.cli(ExportOptions, args=list(arguments), prog="swinkit export", description=export_command.__doc__)
    suffix = ".onnx" if options.to == "onnx" else ".pt2"
    out = options.out or _beside(options.checkpoint, suffix)
    check_destination(out, suffix)
    if options.to == "onnx":
        need_onnx()
    paths = _report_images(options, out)
    file = read_model_file(options.checkpoint)
    export_classifier(Classifier.from_file(file, device=torch.device("cpu")), options, out=out, report_images=paths)


def _beside(checkpoint: str, suffix: str) -> Path:
    """Where the file goes unless told otherwise."""
    path = Path(checkpoint)
    if is_folder(path):
        return path / f"{'best' if exists(path / 'best.safetensors') else 'model'}{suffix}"
    return path.with_suffix(suffix) if exists(path) else Path(path.stem.rpartition(":")[2] + suffix)


def export_classifier(
    classifier: Classifier, options: ExportOptions, *, out: Path, report_images: Sequence[Path]
) -> None:
    """Write the file `out`, and where 8 bits are asked for that file beside it; print how much they differ."""
    channels = classifier.model.config.in_channels
    print(f"exporting {options.checkpoint}, which takes a minute or two", flush=True)
    if options.to == "onnx":
        _show(out, write_onnx(classifier.model, out, metadata=_metadata(classifier), channels=channels))
    else:
        _show(out, write_program(classifier.model, out, channels=channels))
    if options.int8:
        _write_int8(classifier, out, report_images)


def _report_images(options: ExportOptions, out: Path) -> list[Path]:
    """The images of the 8-bit report, checked before anything is exported."""
    if not options.int8:
        if options.images is not None:
            raise InputError("--images is for the accuracy report of --int8; give both or neither")
        return []
    if options.to != "onnx":
        raise InputError("--int8 writes an ONNX file; give --to onnx")
    if options.images is None:
        raise InputError("--int8 reports its accuracy on images of yours; give a folder of them with --images")
    check_destination(_int8_name(out), ".onnx")
    return image_paths([options.images])[0][:MOST_IMAGES]


def _metadata(classifier: Classifier) -> dict[str, str]:
    """What is needed to use the file: class names in the order of the logits, and how images are prepared."""
    return {
        "task": "classification",
        "classes": json.dumps(list(classifier.classes), ensure_ascii=False),
        "preprocessing": json.dumps(to_plain(classifier.preprocessing)),
    }


def _show(out: Path, comparisons: Sequence[Comparison]) -> None:
    for (batch, height, width), error in comparisons:
        print(f"  {batch} x {height} x {width}: differs from PyTorch by at most {error:.1e}")
    print(f"{out}: {out.stat().st_size / 1e6:.0f} MB, any batch size, height and width")


def _int8_name(out: Path) -> Path:
    return out.with_name(f"{out.stem}_int8.onnx")


def _write_int8(classifier: Classifier, out: Path, paths: Sequence[Path]) -> None:
    images = classifier.inputs([read_image(path) for path in paths])
    rough = _int8_name(out)
    report = quantize_onnx(out, rough, images)
    if report.is_faster:
        print(f"{rough}: {rough.stat().st_size / 1e6:.0f} MB, {report.gain:.2f} times as fast", end=" ")
    else:
        print(f"no 8-bit file: it would be {report.gain:.2f} times as fast on this machine", end=" ")
    print(f"({report.milliseconds_int8:.1f} ms, not {report.milliseconds:.1f} ms, for one image)")
    print(
        f"  on {report.images} images: the same class for {report.agreement:.1%}, "
        f"probabilities changed by at most {report.largest_change:.3f}"
    )
