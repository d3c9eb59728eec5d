"""Full-size detectors and the segmentor as ONNX files: how large, how near to PyTorch, and how fast beside it.

Swin-T and heads of the published sizes, as in `detection_cpu.py`: random weights, scores far apart. Each is exported
(minutes a model), compared with PyTorch under ONNX Runtime and OpenVINO at 800 x 1199 and 1199 x 800 (the segmentor: at
512 x 768 and 768 x 512), and timed on the first, in turns. With random weights many boxes are all but equal, so that
rounding may decide which of two is kept: what is missing or new is told, not refused, as `swinkit export` does.
Prints a line for each and writes benchmarks/results/export-*.json.

    python benchmarks/export_cpu.py [--threads N] [--only NAME...]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from detection_cpu import build
from torch import Tensor, nn

from swinkit.backbone.variants import SWIN_T
from swinkit.benchmark.machine import describe_machine, device_name, file_name
from swinkit.benchmark.task_models import WholeMasks
from swinkit.cli.exportable import usual_pictures
from swinkit.detection.agreement import compare_detections
from swinkit.detection.architectures import DETECTORS
from swinkit.detection.data.augmentation import DetectionEvaluation, DetectionResize
from swinkit.detection.exported import ExportableDetector
from swinkit.detection.predictor import NOTHING
from swinkit.export.comparison import Outputs, Run, Trial, Verdict, outputs_of, random_trial, same_values
from swinkit.export.onnx_file import write_onnx
from swinkit.export.runtimes import ONNX_RUNTIME, OPENVINO, has_openvino, load_onnx, load_openvino, median_seconds
from swinkit.segmentation.exported import ExportableSegmentor
from swinkit.segmentation.model import UperNetConfig

SEGMENTOR = "upernet"
NAMES = (*DETECTORS, SEGMENTOR)


def told(found: Outputs, expected: Outputs) -> Verdict:
    """What `swinkit export` would say, refusing nothing."""
    verdict = same_values(found, expected) if len(expected) == 1 else Verdict(*compare_detections(found, expected))
    return verdict._replace(is_equal=True)


def prepared(name: str) -> tuple[nn.Module, Trial, tuple[str, ...]]:
    """The module to export, what it is traced with and compared on, and the names of its outputs."""
    if name == SEGMENTOR:
        torch.manual_seed(0)
        model = UperNetConfig().build(SWIN_T.build(), 150).eval()
        shapes = ((1, 512, 768), (1, 768, 512))
        trial = random_trial(shapes=shapes, pixels=True)
        return ExportableSegmentor(model).eval(), Trial(trial.example, trial.images, told), ("logits",)
    whole = build(f"{name}, Swin-T")
    assert isinstance(whole, WholeMasks)
    module = ExportableDetector(whole.model).eval()
    show = DetectionEvaluation(DetectionResize())
    images = tuple(show(picture, NOTHING)[0][None].float() for picture in usual_pictures()[:2])
    return module, Trial(torch.zeros(1, 3, 224, 256), images, told, is_batch_free=False), module.output_names


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Export, compare and time one model."""
    module, trial, output_names = prepared(name)
    out = folder / f"{name}.onnx"
    write_onnx(module, out, output_names=output_names, trial=trial)
    runs: dict[str, Run] = {"PyTorch": lambda x: outputs_of(module, x), ONNX_RUNTIME: load_onnx(out)}
    if has_openvino():
        runs[OPENVINO] = load_openvino(out)
    with torch.no_grad():
        differences = {runtime: [_difference(run, module, x) for x in trial.images] for runtime, run in runs.items()}
    seconds = median_seconds(runs, trial.images[0])
    return {
        "megabytes": out.stat().st_size / 1e6,
        "sizes": [tuple(x.shape[2:]) for x in trial.images],
        "differs": {runtime: each for runtime, each in differences.items() if runtime != "PyTorch"},
        "seconds": seconds,
    }


def _difference(run: Run, module: nn.Module, images: Tensor) -> str:
    return told(run(images), outputs_of(module, images)).text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            row = rows[name] = measure(name, Path(folder))
            times = "  ".join(f"{runtime} {value:.2f} s" for runtime, value in row["seconds"].items())
            print(f"  {name:20} {row['megabytes']:5.0f} MB  {times}", flush=True)
            for runtime, differences in row["differs"].items():
                for size, difference in zip(row["sizes"], differences, strict=True):
                    print(f"    {runtime}, {size[0]} x {size[1]}: differs {difference}", flush=True)
    machine = describe_machine(torch.device("cpu"))
    out = Path(__file__).parent / "results" / f"export-{file_name(device_name(torch.device('cpu')))}.json"
    out.write_text(json.dumps({"machine": machine, "threads": options.threads, "models": rows}, indent=2) + "\n")
    print(f"\n{out}")


if __name__ == "__main__":
    main()
