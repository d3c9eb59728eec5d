"""Commands whose options depend on what a checkpoint is a model of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from swinkit.errors import InputError
from swinkit.weights.model_files import model_file, task_of

Command = Callable[[Sequence[str]], None]


def run_by_task(name: str, commands: Mapping[str, Command], arguments: Sequence[str]) -> None:
    """Run the command for the checkpoint that `arguments` begin with; without one, show the help of all.

    Raises InputError where options stand before the checkpoint, or there is no such checkpoint.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        _show_help(name, commands)
        if not arguments:
            raise InputError(f"say which checkpoint: swinkit {name} CHECKPOINT, such as runs/digits")
        return
    if arguments[0].startswith("-"):
        raise InputError(f"name the checkpoint before the options: swinkit {name} CHECKPOINT {arguments[0]} ...")
    task = task_of(model_file(arguments[0]))
    if task not in commands:
        raise InputError(f"{arguments[0]} is a model for {task}, which swinkit {name} does not know")
    commands[task](arguments)


def _show_help(name: str, commands: Mapping[str, Command]) -> None:
    print(f"swinkit {name} CHECKPOINT ...: the options depend on what the checkpoint is a model of.\n")
    for task, command in commands.items():
        print(f"--- {task} ---\n")
        try:
            command(["--help"])
        except SystemExit:  # the parser's, after its help
            print()
