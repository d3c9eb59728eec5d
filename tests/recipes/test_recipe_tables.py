"""The tables of docs/recipes.md are what docs/write_recipe_tables.py writes."""

import runpy
from pathlib import Path

from swinkit.recipes import RECIPES

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documented_tables_are_current():
    page = (DOCS / "recipes.md").read_text(encoding="utf-8")
    with_tables = runpy.run_path(str(DOCS / "write_recipe_tables.py"))["with_tables"]
    assert with_tables(page) == page, "run python docs/write_recipe_tables.py"
    listed = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(listed) == sorted(RECIPES)


def test_a_table_that_is_not_current_is_rewritten():
    with_tables = runpy.run_path(str(DOCS / "write_recipe_tables.py"))["with_tables"]
    old = "before\n<!-- recipes: segmentation -->\n| `gone` |\n<!-- end -->\nafter"
    new = with_tables(old)
    assert new.startswith("before\n") and new.endswith("\nafter") and "gone" not in new
    assert "| `ade20k_swin_s` |" in new and "47.64 mIoU, 49.47 multi-scale | official README |" in new
