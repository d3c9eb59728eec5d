"""The command line: parse, call, print."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence

from swinkit.errors import InputError

USAGE = """usage: swinkit COMMAND ...

The Swin Transformer: train it, measure it, look at what it sees.

  train RECIPE           train by a recipe, or go on with a run that was stopped
  evaluate CHECKPOINT    accuracy, confusion matrix and sample predictions on a folder of images
  predict CHECKPOINT IMAGE...   the most probable classes of images, as table, pictures or JSON
  models                 architectures and published weights
  recipes                what can be trained
  convert FILE OUT       weights of any code base as a safetensors file

swinkit COMMAND --help tells more. A first try, without any download: swinkit train digits
"""


def _commands() -> dict[str, Callable[[Sequence[str]], None]]:
    # Imported here, so that `swinkit --help` does not wait for torch.
    from swinkit.cli.convert import convert_command
    from swinkit.cli.evaluate import evaluate_command
    from swinkit.cli.listings import models_command, recipes_command
    from swinkit.cli.predict import predict_command
    from swinkit.cli.train import train_command

    return {
        "train": train_command,
        "evaluate": evaluate_command,
        "predict": predict_command,
        "models": models_command,
        "recipes": recipes_command,
        "convert": convert_command,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for input that cannot be used, 130 where it was interrupted."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from swinkit import __version__

        print(f"swinkit {__version__}")
        return 0
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    name, rest = arguments[0], arguments[1:]
    commands = _commands()
    if name not in commands:
        print(f"swinkit: there is no command {name!r}; there are {', '.join(commands)}", file=sys.stderr)
        return 2
    try:
        commands[name](rest)
    except InputError as error:
        print(f"swinkit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nswinkit: interrupted; a training run goes on from its last checkpoint with the same command", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has closed it (`swinkit models | head`): nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
