"""Tables as Markdown, as plain data, and table 5 as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swinkit.backbone.swin import SwinConfig
from swinkit.pictures.figure import BLUE, GREY, INK, new_figure, quiet_axes, save_figure
from swinkit.recipes import RECIPES
from swinkit.tables.paper import MULTIPLY_ADDS, PARAMETERS, SPEED, PaperTable
from swinkit.tables.rows import Row

Cells = dict[str, str]
"""Of one row, by heading."""


def markdown(table: PaperTable, rows: Sequence[Row]) -> str:
    """The table with its footnotes."""
    notes = list(dict.fromkeys(note for row in rows for note in row.notes))
    cells = [_cells(table, row, [notes.index(note) + 1 for note in row.notes]) for row in rows]
    headings = [heading for heading in _headings(table, cells) if any(row.get(heading) for row in cells)]
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1)]
    lines += [[row.get(heading, "") or "-" for heading in headings] for row in cells]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    foot = "".join(f"\n[{number}] {note}" for number, note in enumerate(notes, 1))
    return f"**Table {table.name}. {table.title}**\n\n{text}\n" + (foot and f"{foot}\n")


def plain(table: PaperTable, rows: Sequence[Row]) -> dict[str, Any]:
    """The same as JSON has it; parameters and multiply-adds are whole numbers, ratios those of speeds."""
    return {
        "table": table.name,
        "title": table.title,
        "compared_with": table.against,
        "rows": [
            {
                "row": row.paper.name,
                "paper": row.paper.figures,
                "recipe": row.paper.recipe,
                "timm": row.paper.timm,
                "parameters": row.size and row.size.parameters,
                "multiply_adds": row.size and row.size.multiply_adds,
                "paper_ratio": row.paper_ratio,
                "measured": {
                    column: {"images_per_second": speed.images_per_second, "milliseconds": speed.milliseconds}
                    for column, speed in row.measured.items()
                },
                "measured_ratio": row.ratio,
                "notes": list(row.notes),
            }
            for row in rows
        ],
    }


def draw_table_5(table: PaperTable, rows: Sequence[Row], subtitle: str, out: Path) -> None:
    """Speeds of whole models as shares of the cyclic shift's, published and measured. Writes the PNG `out`."""
    figure = new_figure(7.0, 4.0)
    axes = figure.add_axes((0.3, 0.13, 0.66, 0.76))
    column = next((name for name in ("T", "S", "B") if any(name in row.ratio for row in rows)), "T")
    base = next(float(row.paper.figures[column]) for row in rows if row.paper.name == table.against)
    for place, row in enumerate(reversed(rows)):
        published = float(row.paper.figures[column]) / base
        axes.barh(place + 0.2, published, height=0.36, color=GREY, label="paper, V100" if not place else None)
        axes.text(published, place + 0.2, f" {published:.2f}", va="center", fontsize=8, color=INK)
        measured = row.ratio.get(column)
        if measured is not None:
            axes.barh(place - 0.2, measured, height=0.36, color=BLUE, label="measured" if not place else None)
            axes.text(measured, place - 0.2, f" {measured:.2f}", va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(rows)), [row.paper.name for row in reversed(rows)], fontsize=9)
    quiet_axes(axes)
    axes.set_title(f"speed of Swin-{column}, cyclic shift = 1; {subtitle}", loc="left", fontsize=8, color=INK)
    axes.set_xlim(0, 1.35 * axes.get_xlim()[1])
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    save_figure(figure, out)


def _headings(table: PaperTable, cells: Sequence[Cells]) -> list[str]:
    """In the order of the paper, each with what is ours behind it."""
    found = list(dict.fromkeys(heading for row in cells for heading in row))
    return ["row", *(heading for heading in found if heading != "row")] if table.rows else found


def _cells(table: PaperTable, row: Row, notes: Sequence[int]) -> Cells:
    cells = {"row": row.paper.name + "".join(f" [{number}]" for number in notes)}
    for column in table.columns:
        cells[column] = row.paper.figures.get(column, "")
        if column in row.measured:
            cells[f"{column} here"] = _speed_text(table, row, column)
    if row.size is not None:
        cells[f"{PARAMETERS} (M), swinkit"] = f"{row.size.parameters / 1e6:.2f}"
        cells[f"{MULTIPLY_ADDS} (G), swinkit"] = f"{row.size.multiply_adds / 1e9:.2f}"
    if table.name == "7" and row.paper.recipe is not None:
        cells |= _architecture(row.paper.recipe)
    if row.paper_ratio is not None:
        cells["ratio, paper"] = f"{row.paper_ratio:.2f}"
    if SPEED in row.measured:
        cells["ms here"] = f"{row.measured[SPEED].milliseconds:.1f}"
    if SPEED in row.ratio:
        cells["ratio here"] = f"{row.ratio[SPEED]:.2f}"
    named = row.paper.recipe or (row.paper.timm and f"timm:{row.paper.timm}")
    cells["recipe"] = f"`{named}`" if named else ""
    return cells


def _speed_text(table: PaperTable, row: Row, column: str) -> str:
    speed = row.measured[column]
    if table.name != "5":
        return f"{speed.images_per_second:.2f}"
    is_stage = column[1:].isdigit()
    value = f"{speed.milliseconds / 2:.2f} ms" if is_stage else f"{speed.images_per_second:.2f}"
    return value if column not in row.ratio else f"{value} ({row.ratio[column]:.2f}x)"


def _architecture(recipe: str) -> Cells:
    backbone = RECIPES[recipe]().backbone
    assert isinstance(backbone, SwinConfig)
    depths, heads = (",".join(map(str, values)) for values in (backbone.depths, backbone.num_heads))
    return {"width, swinkit": str(backbone.embed_dim), "depths, swinkit": depths, "heads, swinkit": heads}
