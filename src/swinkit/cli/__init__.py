"""The command line: parse, call, print."""

from __future__ import annotations

import io
import logging
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pkgutil import resolve_name
from shutil import which

from swinkit.errors import InputError
from swinkit.training.interruption import SENTENCE, leaving_on_signals

USAGE = """usage: swinkit COMMAND ...

The Swin Transformer: train it, measure it, look at what it sees.

  train RECIPE                  train by a recipe, or go on with a run that was stopped
  evaluate CHECKPOINT           scores and pictures of a trained model on labelled images
  predict CHECKPOINT IMAGE...   what a trained model sees in images, as pictures, text or JSON
  explain CHECKPOINT IMAGE...   which parts of images speak for what a model sees, and what a place attends to
  embed CHECKPOINT FOLDER       features of a folder of images, a map of it, near-duplicates and likely wrong labels
  export CHECKPOINT             an ONNX file or PyTorch program of any height and width
  web [CHECKPOINT...]           a page in the browser that shows what models see in your pictures
  benchmark [WHAT]              time and memory beside timm, torchvision and transformers, as table, JSON and picture
  tables [1 ... 9]              the paper's tables beside what swinkit counts and this machine measures
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
    "explain": "swinkit.cli.explain:explain_command",
    "embed": "swinkit.cli.embed:embed_command",
    "export": "swinkit.cli.export:export_command",
    "web": "swinkit.cli.web:web_command",
    "benchmark": "swinkit.cli.benchmark:benchmark_command",
    "tables": "swinkit.cli.tables:tables_command",
    "check-data": "swinkit.cli.check_data:check_data_command",
    "convert-data": "swinkit.cli.convert_data:convert_data_command",
    "models": "swinkit.cli.listings:models_command",
    "recipes": "swinkit.cli.listings:recipes_command",
    "convert": "swinkit.cli.convert:convert_command",
}
"""Where each command is; imported only to be run, so that help and lists do not wait for PyTorch."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for input that cannot be used, 130, 143 or 129 where SIGINT, SIGTERM
    or SIGHUP ended it."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    with leaving_on_signals() as interruption:
        try:
            return _explained(given)
        except BaseException as error:
            # What was being called when the signal came may have made an error of its own of it.
            if interruption.number is None and not isinstance(error, KeyboardInterrupt):
                raise
            print(f"\n{_interrupted(error, given)}", file=sys.stderr)
            return 128 + (interruption.number or signal.SIGINT)


def _interrupted(error: BaseException, arguments: list[str]) -> str:
    """What was saved, where the command knows, and what goes on from there."""
    saved = getattr(error, "saved", None)
    if saved is None:
        return SENTENCE
    if "WORLD_SIZE" in os.environ:
        return f"swinkit: interrupted {saved}; the same torchrun command goes on"
    program = ["swinkit"] if which("swinkit") else [sys.executable, "-m", "swinkit"]
    return f"swinkit: interrupted {saved}; this goes on from there:\n  {shlex.join([*program, *arguments])}"


def _explained(arguments: list[str]) -> int:
    """The exit code of a command; what is no fault of swinkit is one line."""
    try:
        _show_any_name()
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except InputError as error:
        return _failed(str(error))
    except SystemExit as stop:  # the parser's, after --help or an option that does not exist
        return stop.code if isinstance(stop.code, int) else 2
    except BrokenPipeError:
        # Whoever read our output has closed it (`swinkit models | head`): nothing more to say, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        return _failed("there is too little memory for this; take smaller images or batches, or fewer --workers")
    except OSError as error:
        if error.errno is None:  # raised by a library, and not by the system
            raise
        file = f" ({error.filename})" if error.filename else ""
        return _failed(f"the system refuses to go on: {error.strerror}{file}")


def _failed(sentence: str) -> int:
    print(f"swinkit: {sentence}", file=sys.stderr)
    return 2


def _show_any_name() -> None:
    """File names need not be text; what the terminal cannot show is written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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
