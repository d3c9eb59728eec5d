"""Measured figures as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from swinkit.benchmark.results import Row
from swinkit.pictures.figure import BLUE, GREY, INK, ORANGE, new_figure, quiet_axes, save_figure, shrink_to_content


def draw_bars(rows: Sequence[Row], subtitle: str, out: Path) -> None:
    """Speed of every candidate, one panel for each case; swinkit's bars are blue. Writes the PNG `out`."""
    cases = list(dict.fromkeys(row.case for row in rows))
    height = sum(0.9 + 0.3 * sum(row.case == case for row in rows) for case in cases)
    figure = new_figure(7.0, height)
    figure.subplots_adjust(left=0.3, right=0.95, top=1 - 0.5 / height, bottom=0.45 / height, hspace=0.6)
    for number, case in enumerate(cases):
        axes = figure.add_subplot(len(cases), 1, number + 1)
        chosen = [row for row in rows if row.case == case][::-1]
        colours = [BLUE if row.name.startswith("swinkit") else GREY for row in chosen]
        axes.barh([row.name for row in chosen], [row.speed for row in chosen], color=colours)
        for index, row in enumerate(chosen):
            axes.text(row.speed, index, f" {row.speed:.2f}", va="center", color=INK, fontsize=8)
        quiet_axes(axes)
        axes.set_title(case, loc="left", fontsize=9, color=INK)
    axes.set_xlabel(f"speed ({subtitle})", fontsize=8, color=GREY)
    shrink_to_content(figure)
    save_figure(figure, out)


def draw_lines(points: Mapping[str, Sequence[tuple[float, float]]], subtitle: str, out: Path) -> None:
    """Time (milliseconds) against image area (megapixels) of every model. Writes the PNG `out`."""
    figure = new_figure(6.0, 4.0)
    axes = figure.add_axes((0.12, 0.14, 0.84, 0.76))
    for (name, values), colour, mark in zip(points.items(), (BLUE, ORANGE, GREY), "os^", strict=False):
        axes.plot(*zip(*values, strict=True), color=colour, marker=mark, label=name)
    quiet_axes(axes)
    axes.set_xlabel("image area (megapixels)", color=INK)
    axes.set_ylabel("time for one image (ms)", color=INK)
    axes.set_title(subtitle, loc="left", fontsize=9, color=INK)
    axes.legend(frameon=False, fontsize=9)
    shrink_to_content(figure)
    save_figure(figure, out)
