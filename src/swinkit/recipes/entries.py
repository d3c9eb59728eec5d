"""Which recipes there are, read off their source: a list of them does not wait for PyTorch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from swinkit.recipes.published import Published
from swinkit.recipes.rows import described_rows

_ORDER = (
    *("finetune", "finetune_detection", "finetune_segmentation"),
    *("digits", "digit_scenes"),
    *("imagenet1k", "imagenet22k", "coco", "coco_resnet", "coco_frameworks", "coco_htc", "ade20k"),
)
"""Modules in reading order: your own data, embedded data, published runs. Others come after them."""

_TASKS = {
    "ClassificationRecipe": "classification",
    "DetectionRecipe": "detection",
    "SegmentationRecipe": "segmentation",
}


@dataclass(frozen=True)
class RecipeEntry:
    """What a recipe's source says of it."""

    name: str
    module: str
    """Where the function is, such as "swinkit.recipes.coco"."""
    task: str
    summary: str
    """The first line of its docstring."""
    published: Published | None

    @property
    def data(self) -> Literal["own", "embedded", "published"]:
        """What it is trained on: data of one's own, embedded data, which need no download, or a published run's."""
        module = self.module.rpartition(".")[2]
        return "own" if module.startswith("finetune") else "embedded" if module.startswith("digit") else "published"


@cache
def recipe_entries() -> dict[str, RecipeEntry]:
    """Every recipe by its name: the public functions of this package that take nothing and return a recipe, and what is
    made from the rows of a table."""
    places = {name: place for place, name in enumerate(_ORDER)}
    files = sorted(Path(__file__).parent.glob("*.py"), key=lambda file: (places.get(file.stem, len(places)), file.stem))
    written = {entry.name: entry for file in files for entry in _entries_of(file)}
    made = {
        name: RecipeEntry(name, "swinkit.recipes.ablations", task, summary, published)
        for name, task, summary, published in described_rows()
    }
    return written | made


def _entries_of(file: Path) -> Iterator[RecipeEntry]:
    for node in ast.parse(file.read_text(encoding="utf-8"), str(file)).body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or ast.unparse(node.args):
            continue
        task = _TASKS.get("" if node.returns is None else ast.unparse(node.returns))
        if task is not None:
            summary = (ast.get_docstring(node) or "").partition("\n")[0]
            yield RecipeEntry(node.name, f"swinkit.recipes.{file.stem}", task, summary, _published(node))


def _published(function: ast.FunctionDef) -> Published | None:
    """Of a function's decorators, what a call of Published in them gives."""
    for decorator in function.decorator_list:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Published":
                return Published(**{word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg})
    return None
