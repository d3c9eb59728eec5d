"""Commands whose options depend on what a checkpoint is a model of."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import tyro
from PIL import Image

from swinkit.cli.image_paths import image_paths
from swinkit.cli.precision import MOST_COMPARED, Sight, describe_bf16, sight
from swinkit.cli.task_options import EvaluateOptions, PredictOptions
from swinkit.errors import InputError
from swinkit.export.runtimes import is_exported, open_exported
from swinkit.images.read import read_image
from swinkit.opening import open_exported_file, open_file
from swinkit.structures import ExportedFile
from swinkit.training.processes import choose_device
from swinkit.training.stepping import autocast
from swinkit.weights.model_file import read_model_file


class TaskCommand(NamedTuple):
    """What a command does with models of one task."""

    options: type
    """A dataclass with `checkpoint` and `device`, and perhaps `precision`."""
    run: Callable[[Any, Any], Mapping[str, float] | None]
    """Takes the opened model and the options, and of an evaluation gives its first scores, 0..1; its docstring is the
    help."""


def run_by_task(
    name: str, commands: Mapping[str, TaskCommand], arguments: Sequence[str], *, takes_exported: bool = False
) -> None:
    """Run the command for the checkpoint, or with `takes_exported` the ONNX file, that `arguments` begin with; without
    one, show the help of all.

    Raises InputError where options stand before the checkpoint, or there is no such checkpoint.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        _show_help(name, commands)
        if not arguments:
            raise InputError(f"say which checkpoint: swinkit {name} CHECKPOINT, such as runs/digits")
        return
    if arguments[0].startswith("-"):
        raise InputError(f"name the checkpoint before the options: swinkit {name} CHECKPOINT {arguments[0]}")
    is_file = is_exported(arguments[0])
    if is_file and not takes_exported:
        raise InputError(f"swinkit {name} needs the checkpoint, and {arguments[0]} is an exported file")
    file = open_exported(Path(arguments[0])) if is_file else read_model_file(arguments[0])
    if file.task not in commands:
        raise InputError(f"{arguments[0]} is a model for {file.task}, which swinkit {name} does not know")
    options = _parsed(name, commands[file.task], arguments)
    precision = getattr(options, "precision", "fp32")
    if isinstance(file, ExportedFile):
        predictor = open_exported_file(file, device=torch.device(options.device or "cpu"))
        fp32, mixed = sight(predictor), "fp32"
        if precision == "bf16":
            predictor = open_exported_file(open_exported(file.path, precision="bf16"), device=predictor.device)
    else:
        predictor = open_file(file, device=choose_device(options.device))
        fp32, mixed = sight(predictor), precision
    if precision == "bf16" and isinstance(options, PredictOptions):
        _tell_of_bf16(fp32, sight(predictor, mixed), options)
    run = commands[file.task].run
    if isinstance(options, EvaluateOptions) and options.compare:
        _compare(partial(run, predictor), options, predictor.device)
        return
    with autocast(predictor.device, mixed):
        run(predictor, options)


def _compare(run: Callable[[Any], Mapping[str, float] | None], options: EvaluateOptions, device: torch.device) -> None:
    """Evaluate in both precisions, with the pictures of each in a folder of its own."""
    scores = {}
    for precision in ("fp32", "bf16"):
        print(f"--- {precision} ---", flush=True)
        with autocast(device, precision):
            scores[precision] = run(replace(options, out=options.folder / precision))
    before, after = scores["fp32"], scores["bf16"]
    if before is not None and after is not None:
        changes = ", ".join(f"{name} {100 * (after[name] - before[name]):+.2f}" for name in before)
        print(f"bf16 against fp32, in points: {changes}")


def _tell_of_bf16(fp32: Sight, bf16: Sight, options: PredictOptions) -> None:
    """On stderr, beside the results; images that cannot be read are named with these."""
    pictures: list[Image.Image] = []
    for path in image_paths(options.images, recursive=options.recursive)[0]:
        if len(pictures) < MOST_COMPARED:
            with suppress(InputError):
                pictures.append(read_image(path))
    if pictures:
        print(describe_bf16(fp32, bf16, pictures), file=sys.stderr, flush=True)


def _parsed(name: str, command: TaskCommand, arguments: Sequence[str]) -> Any:
    description = inspect.getdoc(command.run)
    return tyro.cli(command.options, args=list(arguments), prog=f"swinkit {name}", description=description)


def _show_help(name: str, commands: Mapping[str, TaskCommand]) -> None:
    if len(set(commands.values())) == 1:
        with suppress(SystemExit):  # the parser's, after its help
            _parsed(name, next(iter(commands.values())), ["--help"])
        return
    print(f"swinkit {name} CHECKPOINT ...: the options depend on what the checkpoint is a model of.\n")
    for task, command in commands.items():
        print(f"--- {task} ---\n")
        try:
            _parsed(name, command, ["--help"])
        except SystemExit:  # the parser's, after its help
            print()
