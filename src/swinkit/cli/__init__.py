"""The command line: parse, call, print."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pkgutil import resolve_name

from swinkit.errors import InputError

USAGE = """usage: swinkit COMMAND ...

The Swin Transformer: train it, measure it, look at what it sees.

  train RECIPE                  train by a recipe, or go on with a run that was stopped
  evaluate CHECKPOINT           scores and pictures of a trained model on labelled images
  predict CHECKPOINT IMAGE...   what a trained model sees in images, as pictures, text or JSON
  export CHECKPOINT             an ONNX file or PyTorch program of any batch, height and width
  benchmark [WHAT]              time and memory beside timm, torchvision and transformers, as table, JSON and picture
  check-data DATA               what a data set holds and what is wrong with it, before training
  convert-data SOURCE           VOC, YOLO, CVAT, LabelMe, masks of instances as COCO json; a CSV as class folders
  models                        architectures and published weights
  recipes                       what can be trained
  convert FILE OUT              weights of any code base as a safetensors file

swinkit COMMAND --help tells more. A first try, without any download: swinkit train digits
"""

COMMANDS = {
    "train": "swinkit.cli.train:train_command",
    "evaluate": "swinkit.cli.evaluate:evaluate_command",
    "predict": "swinkit.cli.predict:predict_command",
    "export": "swinkit.cli.export:export_command",
    "benchmark": "swinkit.cli.benchmark:benchmark_command",
    "check-data": "swinkit.cli.check_data:check_data_command",
    "convert-data": "swinkit.cli.convert_data:convert_data_command",
    "models": "swinkit.cli.listings:models_command",
    "recipes": "swinkit.cli.listings:recipes_command",
    "convert": "swinkit.cli.convert:convert_command",
}
"""Where each command is; imported only to be run, so that help and lists do not wait for PyTorch."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for input that cannot be used, 130 where it was interrupted."""
    try:
        code = _run(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
        return code
    except InputError as error:
        print(f"swinkit: {error}", file=sys.stderr)
        return 2
    except SystemExit as stop:  # the parser's, after --help or an option that does not exist
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        print("\nswinkit: interrupted; the same command goes on from a training run's last checkpoint", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has closed it (`swinkit models | head`): nothing more to say, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from swinkit import __version__

        print(f"swinkit {__version__}")
        return 0
    _show_messages()
    if arguments[0] not in COMMANDS:
        raise InputError(f"there is no command {arguments[0]!r}; there are {', '.join(COMMANDS)}")
    resolve_name(COMMANDS[arguments[0]])(arguments[1:])
    return 0


def _show_messages() -> None:
    """What swinkit reports beside its results goes to stderr; of several processes' the first one tells it."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("swinkit").setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING)
