"""Commands whose options depend on what a checkpoint is a model of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tyro

from swinkit.errors import InputError
from swinkit.opening import open_file
from swinkit.training.processes import choose_device
from swinkit.weights.model_file import read_model_file


class TaskCommand(NamedTuple):
    """What a command does with models of one task."""

    options: type
    """A dataclass with `checkpoint` and `device`."""
    run: Callable[[Any, Any], None]
    """Takes the opened model and the options; its docstring is the help."""


def run_by_task(name: str, commands: Mapping[str, TaskCommand], arguments: Sequence[str]) -> None:
    """Run the command for the checkpoint that `arguments` begin with; without one, show the help of all.

    Raises InputError where options stand before the checkpoint, or there is no such checkpoint.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        _show_help(name, commands)
        if not arguments:
            raise InputError(f"say which checkpoint: swinkit {name} CHECKPOINT, such as runs/digits")
        return
    if arguments[0].startswith("-"):
        raise InputError(f"name the checkpoint before the options: swinkit {name} CHECKPOINT {arguments[0]}")
    file = read_model_file(arguments[0])
    if file.task not in commands:
        raise InputError(f"{arguments[0]} is a model for {file.task}, which swinkit {name} does not know")
    options = _parsed(name, commands[file.task], arguments)
    commands[file.task].run(open_file(file, device=choose_device(options.device)), options)


def _parsed(name: str, command: TaskCommand, arguments: Sequence[str]) -> Any:
    description = inspect.getdoc(command.run)
    return tyro.cli(command.options, args=list(arguments), prog=f"swinkit {name}", description=description)


def _show_help(name: str, commands: Mapping[str, TaskCommand]) -> None:
    print(f"swinkit {name} CHECKPOINT ...: the options depend on what the checkpoint is a model of.\n")
    for task, command in commands.items():
        print(f"--- {task} ---\n")
        try:
            _parsed(name, command, ["--help"])
        except SystemExit:  # the parser's, after its help
            print()
