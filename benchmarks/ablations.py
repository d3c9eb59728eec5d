"""Tables 4 and 6 at desk size: small Swins with each attention and position, on photographs and on digit scenes.

    python benchmarks/ablations.py --data imagenette2-160           # trains what is missing, then writes the tables
    python benchmarks/ablations.py --data imagenette2-160 --report  # only writes them

Every variant is the same recipe with the fields that `swinkit.recipes.rows` names: `finetune_small` at 128 pixels and
`digit_scenes_segmentation`, with `--seeds` runs each. The scenes have windows of 4 instead of 8 and two blocks a stage,
so that the first two stages have windows to connect and a shifted block to do it, and batches of 16, with which they
are learned in fewer epochs. All runs lie in `--runs`, and a run that is there goes on or is taken as it is, so the
command may be stopped and given again. One seed of all variants is trained before the next seed. `padded_shift` is
left out: it is the shifted model. Writes ablations.json, ablations.md and ablations.png to `--out`.
"""

from __future__ import annotations

import json
import resource
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

from swinkit import train
from swinkit.benchmark.machine import describe_machine
from swinkit.files import write_json, write_text
from swinkit.pictures.figure import BLUE, GREY, INK, new_figure, quiet_axes, save_figure
from swinkit.recipes import RECIPES
from swinkit.recipes.rows import VARIANTS

SHIFTED = "shifted"
CHANGES: dict[str, dict[str, Any]] = {SHIFTED: {}} | {name: dict(row.changes) for name, row in VARIANTS.items()}
PUBLISHED = {SHIFTED: (81.3, 46.1)} | {name: (row.top1, row.miou) for name, row in VARIANTS.items()}
"""ImageNet top-1 and ADE20K mIoU of the paper."""
TASKS = {"imagenette": ("finetune_small", "top1"), "scenes": ("digit_scenes_segmentation", "miou")}
"""Recipe and score of each data set."""
SHOWN = {"top1": "top-1", "miou": "mIoU"}
SCENE_CHANGES: dict[str, Any] = {"window_size": 4, "depths": (2, 2, 2)}
SCENE_BATCH = 16
CPU_SECONDS = "cpu_seconds.json"
"""In a run's folder: what its processes have spent so far."""


@dataclass(frozen=True)
class Options:
    data: Path
    """imagenette in class folders, or any other such data."""
    runs: Path = Path("runs/ablations")
    out: Path = Path("benchmarks/results")
    seeds: int = 3
    variants: tuple[str, ...] = tuple(CHANGES)
    tasks: tuple[Literal["imagenette", "scenes"], ...] = ("imagenette", "scenes")
    """Which to train. The report is of both."""
    epochs: int | None = None
    """Of imagenette. Default: the recipe's."""
    scene_epochs: int | None = None
    report: bool = False
    """Train nothing."""


def main(options: Options) -> None:
    if not options.report:
        for seed in range(options.seeds):
            for task in options.tasks:
                for variant in options.variants:
                    run(options, task, variant, seed)
    write(options)


def run(options: Options, task: str, variant: str, seed: int) -> None:
    recipe: Any = RECIPES[TASKS[task][0]]()
    epochs = options.epochs if task == "imagenette" else options.scene_epochs
    loop = replace(recipe.loop, seed=seed, threads=1, epochs=epochs or recipe.loop.epochs)
    changes = CHANGES[variant]
    if task == "scenes":
        changes, loop = changes | SCENE_CHANGES, replace(loop, batch_size=SCENE_BATCH)
    recipe = replace(recipe, loop=loop, backbone=replace(recipe.backbone, **changes))
    if task == "imagenette":
        recipe = replace(recipe, data=options.data)
    print(f"{task}, {variant}, seed {seed}", flush=True)
    path, before = folder(options, task, variant, seed), cpu_seconds()
    try:
        train(recipe, path)
    finally:
        spent = path / CPU_SECONDS
        write_json(spent, seconds_of(path) + cpu_seconds() - before)


def cpu_seconds() -> float:
    """Of this process and those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def seconds_of(path: Path) -> float:
    spent = path / CPU_SECONDS
    return float(json.loads(spent.read_text(encoding="utf-8"))) if spent.exists() else 0.0


def folder(options: Options, task: str, variant: str, seed: int) -> Path:
    return options.runs / f"{task}_{variant}_{seed}"


def score(path: Path, name: str) -> float | None:
    """The last one of a run that has come to its end (`metrics.jsonl`), 0..1; None where it has not."""
    metrics, recipe = path / "metrics.jsonl", path / "recipe.json"
    if not metrics.exists() or not recipe.exists():
        return None
    epochs = json.loads(recipe.read_text(encoding="utf-8"))["loop"]["epochs"]
    found = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    values = [line[f"val/{name}"] for line in found if f"val/{name}" in line and line["epoch"] == epochs]
    return values[-1] if values else None


def write(options: Options) -> None:
    rows = []
    for task, (_, name) in TASKS.items():
        for variant in options.variants:
            paths = [folder(options, task, variant, seed) for seed in range(options.seeds)]
            scores = [value for path in paths if (value := score(path, name)) is not None]
            if scores:
                spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
                row = {"task": task, "variant": variant, "scores": scores, "mean": statistics.mean(scores)}
                row["cpu_minutes"] = sum(map(seconds_of, paths)) / 60
                rows.append(row | {"spread": spread, "paper": PUBLISHED[variant][task == "scenes"]})
    write_json(
        options.out / "ablations.json", {"machine": describe_machine(torch.device("cpu")), "rows": rows}, indent=2
    )
    write_text(options.out / "ablations.md", markdown(rows))
    draw(rows, options.out / "ablations.png")
    print(markdown(rows))


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| data | variant | seeds | mean | spread | against shifted | paper | paper's difference | CPU minutes |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        base = next((each for each in rows if (each["task"], each["variant"]) == (row["task"], SHIFTED)), None)
        against = "-" if base is None else f"{100 * (row['mean'] - base['mean']):+.1f}"
        difference = (
            "-" if row["paper"] is None else f"{row['paper'] - PUBLISHED[SHIFTED][row['task'] == 'scenes']:+.1f}"
        )
        cells = (
            row["task"],
            row["variant"],
            len(row["scores"]),
            f"{100 * row['mean']:.1f}",
            f"{100 * row['spread']:.1f}",
        )
        lines.append(
            "| "
            + " | ".join(map(str, (*cells, against, row["paper"] or "-", difference, round(row["cpu_minutes"]))))
            + " |"
        )
    note = "Percent: top-1 of imagenette, mIoU of digit scenes; spread is the standard deviation over seeds."
    return "\n".join([*lines, "", note, ""])


def draw(rows: list[dict[str, Any]], out: Path) -> None:
    figure = new_figure(8.0, 3.6)
    for place, task in enumerate(TASKS):
        chosen = [row for row in rows if row["task"] == task][::-1]
        axes = figure.add_axes((0.2 + 0.5 * place, 0.14, 0.28, 0.74))
        colours = [BLUE if row["variant"] == SHIFTED else GREY for row in chosen]
        for height, (row, colour) in enumerate(zip(chosen, colours, strict=True)):
            values = [100 * value for value in row["scores"]]
            axes.plot(values, [height] * len(values), "o", color=colour, alpha=0.5, markersize=4)
            axes.errorbar(100 * row["mean"], height, xerr=100 * row["spread"], fmt="|", color=INK, capsize=3)
        axes.set_yticks(range(len(chosen)), [row["variant"].replace("_", " ") for row in chosen], fontsize=8)
        quiet_axes(axes)
        axes.set_title(f"{task}: {SHOWN[TASKS[task][1]]} (%)", loc="left", fontsize=9, color=INK)
    save_figure(figure, out)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
