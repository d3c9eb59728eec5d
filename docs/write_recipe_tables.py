"""Write the tables of docs/recipes.md from what the recipes say of themselves.

python docs/write_recipe_tables.py          # rewrites the file
python docs/write_recipe_tables.py --check  # exits with 1 where that would change it
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from swinkit.recipes import RECIPES

PAGE = Path(__file__).parent / "recipes.md"


def table(task: str) -> str:
    """The recipes of a task, as Markdown."""
    lines = ["| recipe | what it does | published | source |", "|---|---|---|---|"]
    for entry in RECIPES.entries():
        if entry.task == task:
            published = entry.published
            figures, source = ("", "") if published is None else (published.figures, published.source)
            lines.append(f"| `{entry.name}` | {entry.summary} | {figures or '-'} | {source or '-'} |")
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """`page` with a current table between each pair of marks."""
    marked = re.compile(r"(<!-- recipes: (\w+) -->\n).*?(\n<!-- end -->)", re.DOTALL)
    return marked.sub(lambda match: f"{match[1]}\n{table(match[2])}\n{match[3]}", page)


def main() -> int:
    before = PAGE.read_text(encoding="utf-8")
    after = with_tables(before)
    if "--check" in sys.argv[1:]:
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
