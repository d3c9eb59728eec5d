"""How long does each detector take on a CPU, on what, and how much memory?

Every detector with Swin-T, and Mask R-CNN with ResNet-50 beside torchvision's, on one image of 800 x 1333, in
fp32, batch 1, interleaved. Weights are random ones, class scores far apart, so that about a hundred objects are found.
Prints medians and shares by part, and the memory of each in a process of its own, and writes them to
benchmarks/results/.

    python benchmarks/detection_cpu.py [--rounds 3] [--threads N] [--only NAME...]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import SWIN_T
from swinkit.benchmark.machine import describe_machine, device_name, file_name
from swinkit.benchmark.memory import peak_of_process
from swinkit.benchmark.task_models import detector, torchvision_detector
from swinkit.benchmark.timing import interleave
from swinkit.detection.architectures import DETECTORS
from swinkit.detection.dense_maps import FINEST
from swinkit.detection.mask_rcnn import MaskRCNN

SIZE = (800, 1333)
OURS_R50, THEIRS_R50 = "mask_rcnn, ResNet-50", "torchvision's Mask R-CNN, ResNet-50"
NAMES = (*(f"{name}, Swin-T" for name in DETECTORS), OURS_R50, THEIRS_R50)
DENSE = ("atss", "reppoints_v2", "mask_reppoints_v2")
PARTS = ("backbone", "neck", "rpn_head", "bbox_head", "mask_head", "semantic_head")
"""Modules whose time is told apart, by the last word of their name; the rest is reading regions and suppression."""


def build(name: str) -> nn.Module:
    """The detector of this name."""
    torch.manual_seed(0)
    if name == THEIRS_R50:
        return torchvision_detector()
    if name == OURS_R50:
        return detector(MaskRCNN(), TimmConfig("resnet50").build())
    kind = name.partition(",")[0]
    backbone = SWIN_T.from_stride(FINEST) if kind in DENSE else SWIN_T
    return detector(DETECTORS[kind](), backbone.build())


def detect(model: nn.Module, image: Tensor) -> int:
    """From 8-bit pixels to whole masks; how many instances were found."""
    (found,) = model(image[None])
    return int(found)


class Shares:
    """Seconds in the parts of a model, of all runs."""

    def __init__(self, model: nn.Module) -> None:
        self.seconds: dict[str, float] = {}
        for name, module in model.named_modules():
            *outer, last = name.split(".")
            part = outer[-1] if last.isdigit() and outer else last  # heads of several stages are a list
            if part in PARTS and not isinstance(module, nn.ModuleList):
                self._watch(module, part)

    def _watch(self, module: nn.Module, part: str) -> None:
        began: list[float] = []
        module.register_forward_pre_hook(lambda *_: began.append(time.perf_counter()))

        def stop(*_: object) -> None:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - began.pop()

        module.register_forward_hook(stop)


def measure_memory(name: str, threads: int) -> float:
    """The most memory of a process that builds the detector and runs it twice, in MiB."""
    torch.set_num_threads(threads)
    model = build(name)
    for _ in range(2):
        detect(model, _image())
    return peak_of_process() / 2**20


def _image() -> Tensor:
    torch.manual_seed(1)
    return torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    models = {name: build(name) for name in options.only}
    shares = {name: Shares(model) for name, model in models.items() if name != THEIRS_R50}
    found: dict[str, int] = {}

    def run(name: str) -> Callable[[], None]:
        return lambda: found.__setitem__(name, detect(models[name], _image()))

    rounds: list[int] = []

    def forget_the_warm_up() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            for each in shares.values():
                each.seconds.clear()

    work = {name: run(name) for name in models}
    seconds = interleave(work, rounds=options.rounds, warm_up=1, after_round=forget_the_warm_up)
    context = multiprocessing.get_context("spawn")
    rows: dict[str, Any] = {}
    for name, times in seconds.items():
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            memory = pool.submit(measure_memory, name, options.threads).result()
        median = statistics.median(times)
        parts = shares[name].seconds if name in shares else {}
        whole = sum(times)
        rows[name] = {
            "seconds": median,
            "objects": found[name],
            "peak_memory_mib": memory,
            "shares": {part: spent / whole for part, spent in parts.items()},
        }
        told = "  ".join(f"{part} {share:.0%}" for part, share in rows[name]["shares"].items())
        print(f"  {name:38} {median:7.2f} s {memory:6.0f} MiB {found[name]:4} objects  {told}", flush=True)
    if OURS_R50 in rows and THEIRS_R50 in rows:
        print(f"  torchvision's over ours: {rows[THEIRS_R50]['seconds'] / rows[OURS_R50]['seconds']:.2f}")
    machine = describe_machine(torch.device("cpu"))
    out = Path(__file__).parent / "results" / f"detection-800x1333-{file_name(device_name(torch.device('cpu')))}.json"
    out.write_text(json.dumps({"machine": machine, "image": SIZE, "detectors": rows}, indent=2) + "\n")
    print(f"\n{out}")


if __name__ == "__main__":
    main()
