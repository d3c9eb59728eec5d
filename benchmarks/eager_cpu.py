"""Is swinkit, eager on a CPU, as fast as timm, torchvision and transformers?

Swin-T at 224 px, fp32: inference and a training step (forward, cross entropy, backward), all models interleaved in one
run, so that a noisy machine disturbs all of them alike. Prints medians and ratios to swinkit, and writes them to
benchmarks/results/.

    python benchmarks/eager_cpu.py [--batch-size 8] [--rounds 20] [--threads N]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import timm
import torch
import torchvision
from torch import Tensor, nn
from transformers import SwinConfig, SwinForImageClassification

import swinkit


class Logits(nn.Module):
    """transformers' classifier, returning its logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images).logits


def models() -> dict[str, nn.Module]:
    return {
        "swinkit": swinkit.swin_t(drop_path_rate=0.2),
        "timm": timm.create_model("swin_tiny_patch4_window7_224", drop_path_rate=0.2),
        "torchvision": torchvision.models.swin_t(),
        "transformers": Logits(SwinForImageClassification(SwinConfig(num_labels=1000, drop_path_rate=0.2))),
    }


def infer(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    model.eval()
    with torch.no_grad():
        model(images)


def training_step(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    model.train()
    nn.functional.cross_entropy(model(images), labels).backward()
    model.zero_grad(set_to_none=True)


def measure(work: Callable[[nn.Module, Tensor, Tensor], None], batch: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of every round but the first two, by model."""
    images, labels = torch.randn(batch, 3, 224, 224), torch.randint(0, 1000, (batch,))
    candidates = models()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(rounds + 2):
        # Another order each round: what ran before leaves its mark on caches and memory.
        for name in names[number % len(names) :] + names[: number % len(names)]:
            began = time.perf_counter()
            work(candidates[name], images, labels)
            if number >= 2:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def summarise(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median, fastest, and the median of the ratios to swinkit within each round (above 1: swinkit is faster)."""
    own = seconds["swinkit"]
    return {
        name: {
            "median_s": statistics.median(values),
            "fastest_s": min(values),
            "ratio": statistics.median(value / mine for value, mine in zip(values, own, strict=True)),
        }
        for name, values in seconds.items()
    }


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    results = {
        "device": processor(),
        "threads": options.threads,
        "batch_size": options.batch_size,
        "versions": {name: version(name) for name in ("swinkit", "torch", "timm", "torchvision", "transformers")},
    }
    for title, work in (("inference", infer), ("training_step", training_step)):
        results[title] = summarise(measure(work, options.batch_size, options.rounds))
        print(f"\n{title}, Swin-T, batch {options.batch_size}, {options.threads} threads of {results['device']}")
        for name, row in results[title].items():
            print(
                f"  {name:14} median {row['median_s'] * 1e3:8.1f} ms  fastest {row['fastest_s'] * 1e3:8.1f} ms"
                f"  {row['ratio']:.3f} x swinkit's time"
            )
    device = "".join(c if c.isalnum() else "-" for c in results["device"]).strip("-").lower()
    out = Path(__file__).parent / "results" / f"eager-cpu-{device}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\n{out}")


if __name__ == "__main__":
    main()
