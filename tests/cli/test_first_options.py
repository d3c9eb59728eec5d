"""The help of train shows what people use first on one screen, and all of it is true."""

from __future__ import annotations

import inspect
import re
from functools import reduce

import pytest

from swinkit.cli import main
from swinkit.cli.first_options import first_options, short_help
from swinkit.recipes import RECIPES

LINES = 60


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("task", ["classification", "detection", "segmentation"])
def test_the_help_of_every_recipe_fits_one_screen(task: str) -> None:
    for entry in RECIPES.entries():
        if entry.task == task:
            function = RECIPES[entry.name]
            text = short_help(entry.name, entry.task, function(), inspect.getdoc(function) or "")
            assert len(text.splitlines()) <= LINES, entry.name
            assert max(map(len, text.splitlines())) <= 120, entry.name
            assert entry.summary.split()[0] in text and f"swinkit train {entry.name} --help-all" in text


@pytest.mark.parametrize("name", ["finetune", "finetune_detection", "finetune_segmentation"])
def test_fifteen_options_that_there_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = RECIPES[name]()
    task = next(entry.task for entry in RECIPES.entries() if entry.name == name)
    options = first_options(task, recipe)
    assert len(options) == 15
    assert main(["train", name, "--help-all"]) == 0
    everything = set(re.findall(r"--[a-z][\w.-]*", capsys.readouterr().out))
    assert main(["train", name, "--help"]) == 0
    text = capsys.readouterr().out
    for option in options:
        flag = option.flag.split()[0]
        assert flag in everything and f"  {flag}" in text
        if option.default:
            value = reduce(getattr, option.default.split("."), recipe)
            assert value is None or re.search(rf"{flag}\b[^-]*\(default: ", text)


def test_the_help_knows_the_options_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "digits", "--help"]) == 0
    assert "(default: 16)" in capsys.readouterr().out
    assert main(["train", "finetune", "--backbone", "swin_b_384", "-h"]) == 0
    assert "(default: 384)" in capsys.readouterr().out
    assert main(["train", "ade20k_swin_t", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--steps N  updates of the weights (default: 160000)" in text and "--epochs" not in text
