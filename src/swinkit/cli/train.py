"""swinkit train RECIPE"""

from __future__ import annotations

from collections.abc import Sequence

from swinkit.cli.console import result_console
from swinkit.cli.listings import recipe_lists
from swinkit.errors import InputError
from swinkit.recipes import RECIPES


def train_command(arguments: Sequence[str]) -> None:
    """Train by a recipe and say what came of it."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: swinkit train RECIPE [--data DIR] [--run-dir DIR] [options]")
        print("\nswinkit train RECIPE --help shows the options that are used first, --help-all all of them.")
        for line in recipe_lists():
            result_console().print(line)
        if not arguments:
            raise InputError("say which recipe to train; a first try without any download: swinkit train digits")
        return
    if arguments[0] not in RECIPES:
        raise InputError(f"there is no recipe {arguments[0]!r}; swinkit recipes lists them")
    from swinkit.cli.train_recipe import train_recipe  # brings PyTorch, for which the answers above do not wait

    train_recipe(arguments[0], arguments[1:])
