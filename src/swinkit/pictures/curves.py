"""Learning curves of a run: loss, accuracy, learning rate over the steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from swinkit.errors import InputError
from swinkit.pictures.figure import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    clip_name,
    new_figure,
    quiet_axes,
    save_figure,
)
from swinkit.pictures.metrics import Series, read_metrics

MAX_POINTS = 400
"""A series with more points is drawn in this many groups: each its mean, in a band from its lowest to its highest."""
SMOOTHED = 20
"""A training loss is drawn as the mean of the last values, so many as this part of the run has logged."""

COLOURS = {"train": BLUE, "val": ORANGE}
OTHER_COLOURS = (GREEN, PURPLE, SKY, INK)


def plot_curves(metrics_jsonl: Path, out: Path) -> None:
    """Draws the learning curves that a run has logged so far.

    Panels, those without values left out: every `*/loss`, `*/top<k>` (0..1, drawn in percent), `*/miou`, `*/*_ap` and
    `*/*_ap50`, `*/lr`. The training loss is drawn as the running mean of the last twentieth of its values, with the
    values themselves faint behind it; nothing else is smoothed but what the legend says: from 400 points on, groups of
    points are drawn as their mean and range. Values that are not finite are marked on the axis. Where a resumed run
    repeats steps, the last ones count.

    Args:
        metrics_jsonl: the file of a run folder, see `read_metrics`.
        out: the PNG file to write.

    Raises:
        InputError: where the file is not readable, or has no loss, accuracy or learning rate.
    """
    series = read_metrics(metrics_jsonl)
    panels = [(title, names) for title, ending in PANELS if (names := _names(series, ending))]
    if not panels:
        raise InputError(f"{metrics_jsonl} has no loss, top-1 or lr to draw: it has {', '.join(sorted(series))[:200]}")
    last_step = max(one.steps[-1] for one in series.values())
    figure = new_figure(0.4 + 4.6 * len(panels), 4.0, dpi=110)
    width = 1 / len(panels)
    for position, (title, names) in enumerate(panels):
        left = (position + 0.16) * width
        axes = figure.add_axes((left, 0.14, 0.80 * width, 0.66))
        _draw_panel(axes, title, {name: series[name] for name in names})
        axes.set_xlim(0, 1.02 * max(last_step, 1))
    epoch = f", epoch {series['epoch'].values[-1]:g}" if "epoch" in series else ""
    run = clip_name(metrics_jsonl.resolve().parent.name, 60)
    headline = f"{run}: up to step {last_step:,}{epoch}"
    figure.text(0.16 * width, 0.94, headline, fontsize=12, color=INK, va="center")
    save_figure(figure, out)


PANELS = (
    ("Loss", "loss"),
    ("Accuracy (%)", "top"),
    ("Mean IoU (0 to 1)", "miou"),
    ("Average precision (0 to 1)", "ap"),
    ("Learning rate", "lr"),
)


def _names(series: dict[str, Series], ending: str) -> list[str]:
    last = {name: name.rpartition("/")[2] for name in series if name != "epoch"}
    if ending == "top":
        return sorted(name for name, word in last.items() if word[:3] == "top" and word[3:].isdigit())
    if ending == "ap":
        return sorted(name for name, word in last.items() if word.endswith(("_ap", "_ap50")))
    return sorted(name for name, word in last.items() if word == ending)


def _draw_panel(axes: Axes, title: str, curves: dict[str, Series]) -> None:
    quiet_axes(axes)
    others = iter(OTHER_COLOURS * len(curves))
    taken: set[str] = set()
    for name, curve in curves.items():
        colour = COLOURS.get(name.partition("/")[0])
        if colour is None or colour in taken:
            colour = next(others)
        taken.add(colour)
        _draw_curve(axes, name, curve, colour, is_percent=title == "Accuracy (%)")
    axes.set_title(title, fontsize=11, loc="left", color=INK)
    axes.set_xlabel("step", fontsize=9, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    if title == "Learning rate":
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    axes.legend(fontsize=8, frameon=True, framealpha=0.85, edgecolor="none", labelcolor=INK)


def _draw_curve(axes: Axes, name: str, curve: Series, colour: str, *, is_percent: bool) -> None:
    steps, values = np.array(curve.steps), np.array(curve.values) * (100 if is_percent else 1)
    finite = np.isfinite(values)
    for step in steps[~finite][:1]:
        axes.axvline(
            step, color=RED, linestyle=":", linewidth=1.5, label=f"{clip_name(name, 40)} not finite from step {step:,}"
        )
    steps, values = steps[finite], values[finite]
    if not len(steps):
        return
    label = clip_name(name, 40) + _best(name, steps, values)
    mean_of = max(1, len(values) // SMOOTHED) if name.startswith("train/") and name.endswith("loss") else 1
    shown = running_mean(values, mean_of)
    group = -(-len(steps) // MAX_POINTS)
    if group > 1:
        starts = np.arange(0, len(steps), group)
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        counts = np.diff(np.append(starts, len(steps)))
        steps, shown = np.add.reduceat(steps, starts) / counts, np.add.reduceat(shown, starts) / counts
        axes.fill_between(steps, low, high, color=colour, alpha=0.25, linewidth=0)
    elif mean_of > 1:
        axes.plot(steps, values, color=colour, linewidth=1.0, alpha=0.3)
    if mean_of > 1:
        label += f"\n(mean of {mean_of} values; faint: {'each' if group == 1 else 'their range'})"
    elif group > 1:
        label += f"\n(mean and range of {group} points)"
    marker = "o" if len(steps) <= 40 else ""
    axes.plot(steps, shown, color=colour, linewidth=1.6, marker=marker, markersize=3.5, label=label)


def running_mean(values: np.ndarray, count: int) -> np.ndarray:
    """(N,) the mean of each value and those before it, `count` in all where there are so many."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - count)
    return (sums[ends] - sums[starts]) / (ends - starts)


def _best(name: str, steps: np.ndarray, values: np.ndarray) -> str:
    """The figure that is asked for first: the best value of a validation curve."""
    if name.startswith("train/") or name.endswith("/lr"):
        return ""
    best = int(values.argmin() if name.endswith("loss") else values.argmax())
    return f", best {values[best]:.4g} at step {steps[best]:,}"
