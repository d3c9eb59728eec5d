"""The paper's tables: every cell against the facts, every count of ours against the paper, deviations in one list."""

import re
from collections.abc import Iterator

import pytest
from shared_files import SHARED

from swinkit.backbone.variants import VARIANTS
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.mask_reppoints_v2 import MaskRepPointsV2
from swinkit.recipes import RECIPES
from swinkit.tables.counting import detector_size, recipe_size, timm_size
from swinkit.tables.paper import MULTIPLY_ADDS, PARAMETERS, TABLES, PaperRow, PaperTable
from swinkit.tables.rows import DEVIATIONS, NOTES, row_size

COUNTED = ("1a", "1b", "2a", "2b", "2c", "3")


def cases(*, ours: bool) -> Iterator[object]:
    for table in TABLES:
        for row in table.rows if table.name in COUNTED else ():
            if (row.recipe if ours else row.timm) is not None:
                yield pytest.param(table, row, id=f"{table.name} {row.name}")


def deviates(row: PaperRow, column: str, ours: float) -> bool:
    """By more than one percent and the last digit that the paper writes."""
    if column not in row.figures:
        return False
    published = row.figures[column]
    digits = len(published.partition(".")[2])
    rounding = 0.55 * 10.0**-digits
    return abs(ours - float(published)) > max(rounding, 0.01 * float(published) if column == MULTIPLY_ADDS else 0)


def check(table: PaperTable, row: PaperRow) -> None:
    size = row_size(table, row)
    assert size is not None
    for column, ours in ((PARAMETERS, size.parameters / 1e6), (MULTIPLY_ADDS, size.multiply_adds / 1e9)):
        print(table.name, row.name, column, row.figures.get(column), round(ours, 2))
        assert deviates(row, column, ours) == ((table.name, row.name, column) in DEVIATIONS)


@pytest.mark.parametrize(("table", "row"), list(cases(ours=True)))
def test_counts_of_our_rows(table: PaperTable, row: PaperRow) -> None:
    pytest.importorskip("timm")
    check(table, row)


@pytest.mark.slow
@pytest.mark.parametrize(("table", "row"), list(cases(ours=False)))
def test_counts_of_other_architectures(table: PaperTable, row: PaperRow) -> None:
    pytest.importorskip("timm")
    check(table, row)


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("coco_cascade_deit_s", 79.80, 889),
        ("ade20k_deit_s", 51.78, 1099),
    ],
)
def test_deit_with_a_pyramid(name: str, parameters: float, multiply_adds: float) -> None:
    pytest.importorskip("timm")
    size = recipe_size(RECIPES[name]())
    assert size.parameters / 1e6 == pytest.approx(parameters, rel=1e-3)
    assert size.multiply_adds / 1e9 == pytest.approx(multiply_adds, rel=5e-3)


@pytest.mark.parametrize(
    ("model", "gigas", "parameters"),
    [
        ("t", (4.49, 5.92, 9.46, 13.99), (28_288_354, 28_296_082, 28_314_850, 28_338_034)),
        ("s", (8.74, 11.51, 18.32, 26.99), (49_606_258, 49_622_050, 49_660_402, 49_707_778)),
        ("b", (15.43, 20.28, 32.14, 47.08), (87_768_224, 87_789_280, 87_840_416, 87_903_584)),
    ],
)
def test_table_8(model: str, gigas: tuple[float, ...], parameters: tuple[int, ...]) -> None:
    names = [f"imagenet1k_swin_{model}_paper"] + [
        f"imagenet1k_swin_{model}_{size}_finetune_paper" for size in (256, 320, 384)
    ]
    sizes = [recipe_size(RECIPES[name]()) for name in names]
    assert tuple(size.parameters for size in sizes) == parameters
    assert [size.multiply_adds / 1e9 for size in sizes] == pytest.approx(gigas, abs=0.0051)


@pytest.mark.parametrize(("model", "published"), [("swin_t", 267), ("swin_s", 359)])
def test_mask_rcnn_of_the_official_readme(model: str, published: int) -> None:
    assert detector_size(MaskRCNN(), VARIANTS[model]).multiply_adds / 1e9 == pytest.approx(published, rel=5e-3)


def test_mask_reppoints_of_the_official_readme() -> None:
    size = detector_size(MaskRepPointsV2(), VARIANTS["swin_t"])
    assert size.multiply_adds / 1e9 == pytest.approx(292, rel=0.01)


def test_architectures_of_table_7() -> None:
    table = next(table for table in TABLES if table.name == "7")
    for row in table.rows:
        assert row.recipe is not None
        backbone = RECIPES[row.recipe]().backbone
        found = (backbone.embed_dim, backbone.depths, backbone.num_heads)
        written = [tuple(map(int, row.figures[key].split(","))) for key in ("depths", "heads")]
        assert found == (int(row.figures["width"]), *written)


def test_every_recipe_row_and_note_exists() -> None:
    assert [table.number for table in TABLES] == sorted(table.number for table in TABLES)
    rows = {(table.name, row.name) for table in TABLES for row in table.rows}
    assert all(row.recipe in RECIPES for table in TABLES for row in table.rows if row.recipe is not None)
    assert {(table, row) for table, row, _ in DEVIATIONS} | set(NOTES) <= rows
    assert all(table.against in {None, *(row.name for row in table.rows)} for table in TABLES)


def test_a_row_that_deviates_is_found() -> None:
    row = PaperRow("a", {PARAMETERS: "29", MULTIPLY_ADDS: "4.5"})
    assert not deviates(row, PARAMETERS, 28.6) and deviates(row, PARAMETERS, 28.4)
    assert not deviates(row, MULTIPLY_ADDS, 4.549) and deviates(row, MULTIPLY_ADDS, 4.6)
    assert timm_size is not None


@pytest.mark.skipif(not (SHARED / "facts.md").exists(), reason="needs the facts beside the project")
@pytest.mark.parametrize("table", [table for table in TABLES if table.name not in "78"], ids=lambda table: table.name)
def test_cells_are_those_of_the_facts(table: PaperTable) -> None:
    """A line of the facts for every row, which has its figures in their order."""
    text = (SHARED / "facts.md").read_text(encoding="utf-8")
    section = re.split(rf"^### Table {table.name}\b.*$", text, flags=re.MULTILINE)[1].partition("\n###")[0]
    lines = [re.findall(r"(?<![\w.-])\d+(?:\.\d+)?(?=[MG]?\b)(?!-)", line) for line in section.splitlines()]
    lines += [re.findall(r"\d+(?:\.\d+)?", section.replace("\n", " "))] if table.name == "6" else []
    for row in table.rows:
        figures = list(row.figures.values())
        assert any(_in_order(figures, line) for line in lines), row


def _in_order(wanted: list[str], line: list[str]) -> bool:
    places = iter(line)
    return all(any(value == place for place in places) for value in wanted)
