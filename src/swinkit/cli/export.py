"""swinkit export CHECKPOINT --to onnx|torch"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from swinkit.classification.predictor import Classifier
from swinkit.cli.exportable import MOST_COMPARED, Exportable, exportable, usual_pictures
from swinkit.cli.image_paths import image_paths
from swinkit.cli.precision import describe_changes, sight
from swinkit.detection.agreement import NOTHING_FOUND
from swinkit.detection.predictor import Detector
from swinkit.errors import InputError
from swinkit.export.comparison import Comparison, Run, outputs_of
from swinkit.export.destination import check_destination
from swinkit.export.int8 import LEAST_GAIN, quantize_onnx
from swinkit.export.onnx_file import need_onnx, write_onnx
from swinkit.export.program import write_program
from swinkit.export.runtimes import (
    ONNX_RUNTIME,
    OPENVINO,
    has_bf16,
    has_openvino,
    is_exported,
    load_onnx,
    load_openvino,
    median_seconds,
    open_exported,
)
from swinkit.files import exists, is_folder
from swinkit.images.read import read_image
from swinkit.opening import open_exported_file, open_file, open_model
from swinkit.weights.model_file import read_model_file

MOST_IMAGES = 256
"""The reports of a classifier take no more images than this."""
MOST_IN_BF16 = 16
"""Images that the report of another model's bf16 takes."""
CPU = torch.device("cpu")
IN_BF16 = f"{OPENVINO} in bf16"


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
    """Of a classifier, also write NAME_int8.onnx with 8-bit weights, if it is faster on this machine. Needs
    --images."""
    bf16: bool = False
    """Also time OpenVINO in bf16, where the processor has it, and say what that changes."""
    images: Path | None = None
    """Folder of images of yours: what 8-bit weights and bf16 change is reported on them, and a detector's file is
    compared with the model on the first three instead of two photographs and a scene of digits."""


def export_command(arguments: Sequence[str]) -> None:
    """Write a model for another runtime, for any height and width (of classifiers and segmentors any number of images,
    too), and compare it with the original."""
    options = tyro.cli(ExportOptions, args=list(arguments), prog="swinkit export", description=export_command.__doc__)
    suffix = ".onnx" if options.to == "onnx" else ".pt2"
    out = options.out or beside(options.checkpoint, suffix)
    check_destination(out, suffix)
    if options.to == "onnx":
        need_onnx()
    paths = _given_images(options, out)
    if is_exported(options.checkpoint):
        raise InputError(f"{options.checkpoint} is an exported file already; give the checkpoint that it was made of")
    predictor = open_file(read_model_file(options.checkpoint), device=CPU)
    if options.int8 and not isinstance(predictor, Classifier):
        raise InputError(f"--int8 is for classifiers, and {options.checkpoint} is none; leave it out")
    if paths and not (isinstance(predictor, Detector) or options.int8 or options.bf16):
        raise InputError("--images is for detectors and for the reports of --int8 and --bf16; leave it out")
    pictures = [read_image(path) for path in paths[:MOST_COMPARED]] if isinstance(predictor, Detector) else []
    seconds = _write(exportable(predictor, pictures), options, out)
    if IN_BF16 in seconds:
        _show_bf16(out, seconds, paths if isinstance(predictor, Classifier) else paths[:MOST_IN_BF16])
    if options.int8:
        assert isinstance(predictor, Classifier)
        _write_int8(predictor, out, paths)


def beside(checkpoint: str, suffix: str) -> Path:
    """Where the file goes unless told otherwise."""
    path = Path(checkpoint)
    if is_folder(path):
        return path / f"{'best' if exists(path / 'best.safetensors') else 'model'}{suffix}"
    return path.with_suffix(suffix) if exists(path) else Path(path.stem.rpartition(":")[2] + suffix)


def _given_images(options: ExportOptions, out: Path) -> list[Path]:
    """The images of --images, checked before anything is exported."""
    if options.bf16 and options.to != "onnx":
        raise InputError("--bf16 times an ONNX file; give --to onnx")
    if options.int8:
        if options.to != "onnx":
            raise InputError("--int8 writes an ONNX file; give --to onnx")
        if options.images is None:
            raise InputError("--int8 reports its accuracy on images of yours; give a folder of them with --images")
        check_destination(_int8_name(out), ".onnx")
    return [] if options.images is None else image_paths([options.images])[0][:MOST_IMAGES]


def _write(model: Exportable, options: ExportOptions, out: Path) -> dict[str, float]:
    """Write the file `out`; print how far it is from the model, and how fast it is. The seconds of an ONNX file."""
    print(f"exporting {options.checkpoint}, which takes a minute or a few", flush=True)
    if options.to == "onnx":
        compared = write_onnx(
            model.module, out, output_names=model.output_names, metadata=model.metadata, trial=model.trial
        )
    else:
        compared = write_program(model.module, out, metadata=model.metadata, trial=model.trial)
    _show(out, compared, is_batch_free=model.trial.is_batch_free)
    return _show_speed(out, model, bf16=options.bf16) if options.to == "onnx" else {}


def _show(out: Path, comparisons: Sequence[Comparison], *, is_batch_free: bool) -> None:
    for (batch, height, width), _, text in comparisons:
        print(f"  {batch} x {height} x {width}: differs from PyTorch {text}")
    if all(each.text == NOTHING_FOUND for each in comparisons):
        print("  the model finds nothing in these images: compare it on some in which it does, with --images FOLDER")
    free = "any batch size, height and width" if is_batch_free else "one image of any height and width"
    print(f"{out}: {out.stat().st_size / 1e6:.0f} MB, {free}")


def _show_speed(out: Path, model: Exportable, *, bf16: bool) -> dict[str, float]:
    images = model.trial.images[0]
    work: dict[str, Run] = {"PyTorch": lambda x: outputs_of(model.module, x), ONNX_RUNTIME: load_onnx(out)}
    if has_openvino():
        work[OPENVINO] = load_openvino(out)
        if bf16 and has_bf16():
            work[IN_BF16] = load_openvino(out, precision="bf16")
    seconds = median_seconds(work, images)
    told = ", ".join(f"{name} {1e3 * value:.0f} ms" for name, value in seconds.items())
    count, _, height, width = images.shape
    threads = torch.get_num_threads()
    print(f"  {count} x {height} x {width} takes, with {threads} thread{'s' if threads > 1 else ''}: {told}")
    if not has_openvino():
        print(f"  {OPENVINO} was not tried: it is not installed (pip install openvino)")
    elif bf16 and IN_BF16 not in work:
        print("  bf16 was not tried: this processor does not compute in it")
    return seconds


def _show_bf16(out: Path, seconds: Mapping[str, float], paths: Sequence[Path]) -> None:
    """Offer bf16 where it was the fastest, with what it changes in these images or, without any, in the usual ones."""
    gain = min(value for name, value in seconds.items() if name != IN_BF16) / seconds[IN_BF16]
    if gain < LEAST_GAIN:
        print("  bf16 is no faster on this machine")
        return
    pictures = [read_image(path) for path in paths] or usual_pictures()
    fp32, bf16 = (sight(open_model(out)), sight(open_exported_file(open_exported(out, precision="bf16"), device=CPU)))
    changes = describe_changes([fp32(each) for each in pictures], [bf16(each) for each in pictures])
    print(
        f"  bf16 is {gain:.2f} times as fast as the fastest of these: swinkit predict {out} IMAGE... --precision bf16"
    )
    print(f"    on {changes}")


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
