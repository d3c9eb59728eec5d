"""Does training with swinkit learn as well as with timm, in the same minutes?

The recipe `finetune_small` beside a training script of timm's parts: the same Swin (2.7 million parameters, timm's own
code), batch, augmentation, label smoothing, AdamW, clipping and cosine. Each of the two first measures its own seconds
a step and takes as many epochs as fit into the minutes, so that both end their cosine. Prints top-1 by minute of both
and writes them, with the seed, to benchmarks/results/.

    python benchmarks/finetune_beside_timm.py --data imagenette [--minutes 15] [--seeds 0 1] [--threads N]

DATA holds train/ and val/ with a folder for each class. --steps N trains so many steps instead, to try it out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from timm.loss import LabelSmoothingCrossEntropy
from timm.models.swin_transformer import SwinTransformer
from timm.optim import param_groups_weight_decay
from timm.scheduler import CosineLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import InterpolationMode, v2

from swinkit import train
from swinkit.benchmark.machine import describe_machine, file_name
from swinkit.classification.data.augmentation import TrainAugmentation
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.recipes import RECIPES

MEASURED = 12
"""Steps of the longer of the two runs whose times are compared."""
POINTS = 8
"""Evaluations in a run."""


@dataclass(frozen=True)
class Length:
    """How long a run is."""

    epochs: int
    steps: int | None = None
    """Takes the place of `epochs`, to try out."""


def recipe_of(data: Path, seed: int, threads: int) -> ClassificationRecipe:
    recipe = RECIPES["finetune_small"]()
    return replace(recipe, data=data, loop=replace(recipe.loop, seed=seed, threads=threads, log_every=1))


def train_swinkit(recipe: ClassificationRecipe, length: Length, folder: Path) -> list[dict[str, float]]:
    """top-1 (0..1) by minute, read off the run's metrics."""
    every = max(1, length.epochs // POINTS)
    loop = replace(recipe.loop, epochs=length.epochs, steps=length.steps, evaluate_every=every)
    began = time.perf_counter()
    run = train(replace(recipe, loop=loop), folder)
    total = (time.perf_counter() - began) / 60
    lines = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
    points = [line for line in lines if "val/top1" in line]
    last = points[-1]["step"]
    return [{"minutes": total * line["step"] / last, "top1": line["val/top1"]} for line in points]


def train_timm(recipe: ClassificationRecipe, length: Length) -> list[dict[str, float]]:
    """top-1 (0..1) by minute. A training script as one writes it with timm; every number is the recipe's."""
    loop, optimizer, schedule = recipe.loop, recipe.optimizer, recipe.schedule
    torch.manual_seed(loop.seed)
    torch.set_num_threads(loop.threads or torch.get_num_threads())
    training, validation = timm_data(recipe)
    model = timm_model(recipe, len(training.dataset.classes))  # type: ignore[attr-defined]  # of images in classes
    groups = param_groups_weight_decay(model, optimizer.weight_decay, no_weight_decay_list=model.no_weight_decay())
    adamw = torch.optim.AdamW(groups, lr=optimizer.lr, betas=optimizer.betas, eps=optimizer.eps)
    total = length.steps or length.epochs * len(training)
    warm = round(schedule.warmup_epochs * len(training))
    scheduler = CosineLRScheduler(
        adamw,
        t_initial=max(1, total - warm),
        lr_min=schedule.min_lr,
        warmup_t=warm,
        warmup_lr_init=schedule.warmup_lr,
        warmup_prefix=True,
        t_in_epochs=False,
    )
    criterion = LabelSmoothingCrossEntropy(recipe.mixing.label_smoothing)
    points, began = [], time.perf_counter()
    every = max(1, length.epochs // POINTS) * len(training)
    model.train()
    for step, (images, labels) in zip(range(1, total + 1), endless(training), strict=False):
        scheduler.step_update(step - 1)
        criterion(model(images), labels).backward()
        nn.utils.clip_grad_norm_(model.parameters(), loop.clip_grad or float("inf"))
        adamw.step()
        adamw.zero_grad()
        if step % every == 0 or step == total:
            points.append({"minutes": (time.perf_counter() - began) / 60, "top1": top1(model, validation)})
            model.train()
    return points


def timm_model(recipe: ClassificationRecipe, classes: int) -> SwinTransformer:
    config = recipe.backbone
    return SwinTransformer(
        img_size=config.image_size,
        patch_size=config.patch_size,
        num_classes=classes,
        embed_dim=config.embed_dim,
        depths=config.depths,
        num_heads=config.num_heads,
        window_size=config.window_size,
        drop_path_rate=config.drop_path_rate,
    )


def timm_data(recipe: ClassificationRecipe) -> tuple[DataLoader, DataLoader]:
    """The recipe's augmentation and evaluation, of torchvision's parts."""
    assert recipe.data is not None and isinstance(recipe.augmentation, TrainAugmentation)
    values, size = recipe.augmentation, recipe.preprocessing.image_size
    tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(values.mean, values.std)]
    shown = v2.Compose(
        [
            v2.RandomResizedCrop(size, values.scale, values.ratio, InterpolationMode.BICUBIC),
            v2.RandomHorizontalFlip(values.horizontal_flip),
            v2.ColorJitter(*[values.color_jitter] * 3),
            *tensor,
        ]
    )
    resize = v2.Resize(recipe.preprocessing.shorter_side, InterpolationMode.BICUBIC)
    evaluated = v2.Compose([resize, v2.CenterCrop(size), *tensor])
    training, validation = ImageFolder(recipe.data / "train", shown), ImageFolder(recipe.data / "val", evaluated)
    batch, workers = recipe.loop.batch_size, recipe.loop.workers
    loader = DataLoader(training, batch, shuffle=True, drop_last=True, num_workers=workers)
    return loader, DataLoader(validation, batch, num_workers=workers)


def endless(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader


@torch.no_grad()
def top1(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    right = [(model(images).argmax(1) == labels).float() for images, labels in loader]
    return torch.cat(right).mean().item()


def fitting(minutes: float, seconds: float, steps: int) -> Length:
    """As many whole epochs of `steps` steps as fit into the minutes, evaluations (a twentieth) among them."""
    return Length(max(1, int(minutes * 60 * 0.95 / (seconds * steps))))


def seconds_a_step(kind: str, recipe: ClassificationRecipe) -> float:
    """Of a short run, without its beginning: two lengths are taken, and their difference."""
    seconds = []
    for steps in (MEASURED // 3, MEASURED):
        began = time.perf_counter()
        run(kind, recipe, Length(1, steps))
        seconds.append(time.perf_counter() - began)
    return (seconds[1] - seconds[0]) / (MEASURED - MEASURED // 3)


def run(kind: str, recipe: ClassificationRecipe, length: Length) -> list[dict[str, float]]:
    if kind == "timm":
        return train_timm(recipe, length)
    with tempfile.TemporaryDirectory() as folder:
        return train_swinkit(recipe, length, Path(folder))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    images = sum(1 for path in (options.data / "train").glob("*/*") if path.is_file())
    runs = []
    for seed in options.seeds:
        recipe = recipe_of(options.data, seed, options.threads)
        for kind in ("swinkit", "timm"):
            length = Length(1, options.steps)
            if options.steps is None:
                steps = images // recipe.loop.batch_size
                length = fitting(options.minutes, seconds_a_step(kind, recipe), steps)
            points = run(kind, recipe, length)
            runs.append({"kind": kind, "seed": seed, "epochs": length.epochs, "points": points})
            shown = "  ".join(f"{point['minutes']:.1f} min {100 * point['top1']:.1f} %" for point in points)
            print(f"{kind:8} seed {seed}, {length.epochs} epochs: {shown}", flush=True)
    machine = describe_machine(torch.device("cpu")) | {"threads": options.threads}
    options.out.mkdir(parents=True, exist_ok=True)
    out = options.out / f"finetune-beside-timm-{file_name(machine['device'])}.json"
    out.write_text(json.dumps(machine | {"minutes": options.minutes, "runs": runs}, indent=2) + "\n")
    print(f"\n{out}")


if __name__ == "__main__":
    main()
