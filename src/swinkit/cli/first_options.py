"""The options of `swinkit train RECIPE` that people use first: what --help shows, on one screen.

--help-all shows all of them, as the parser knows them.
"""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

from swinkit.detection.architectures import DETECTORS

NARROWEST, WIDEST = 80, 120
"""Columns of the text."""
INDENT = 6
STARTS = ("Command:", "Hardware:", "Expected:", "FOLDER ")
"""With these words a line of a recipe's description begins anew."""


@dataclass(frozen=True)
class FirstOption:
    """One line or two of the help."""

    flag: str
    """With the names of its values."""
    text: str
    default: str = ""
    """Where the recipe has the default, such as "loop.epochs"; empty where there is none to show."""


_DATA = FirstOption("--data FOLDER", "your data; `swinkit check-data FOLDER` says what is wrong with them")
_RUN_DIR = FirstOption(
    "--run-dir FOLDER", "where everything of this run goes; the same command goes on there (default: runs/RECIPE)"
)
_WEIGHTS = FirstOption(
    "--weights NAME",
    "weights to start from: a file, a name that `swinkit models` lists, an address or hf-hub:owner/name",
    "weights",
)
_BACKBONE = FirstOption(
    "--backbone NAME", "another backbone: swin_t, swin_s, swin_b, swin_l, deit_s_pyramid, or timm:NAME of that library"
)
_FLIP = FirstOption(
    "--augmentation.horizontal-flip P", "0 where a mirror changes the class", "augmentation.horizontal_flip"
)
_SHARED = (
    FirstOption("--batch-size N", "images of one step, over all processes", "loop.batch_size"),
    FirstOption("--accumulate N", "work them off in N parts, which needs less memory", "loop.accumulate"),
    FirstOption("--optimizer.lr RATE", "peak learning rate", "optimizer.lr"),
    FirstOption("--precision fp32|bf16|fp16", "bf16 and fp16 need less memory and time on a GPU", "loop.precision"),
    FirstOption("--overfit N", "first learn N images by heart, to see that data and model fit together"),
    FirstOption("--device NAME", "such as cuda or cpu (default: the GPU if there is one)"),
    FirstOption("--workers N", "processes that load images", "loop.workers"),
)
_OF_TASK = {
    "classification": (
        FirstOption("--image-size N", "side of the images in pixels, as they are shown", "preprocessing.image_size"),
        FirstOption("--validation-fraction SHARE", "held out where there is no val/", "validation_fraction"),
        _FLIP,
    ),
    "detection": (
        FirstOption("--detector NAME", ", ".join(DETECTORS)),
        FirstOption("--masks True|False", "learn masks, or boxes alone (default: masks where all have them)"),
        _FLIP,
    ),
    "segmentation": (
        FirstOption("--classes-file FILE", "a class name a line (default: classes.txt in the data)"),
        FirstOption("--reduce-zero-label", "masks have 0 for what is ignored, and 1 for the first class"),
        FirstOption("--augmentation.crop-size H W", "pixels that training sees at once", "augmentation.crop_size"),
    ),
}


def first_options(task: str, recipe: Any) -> tuple[FirstOption, ...]:
    """The fifteen of a task, with the length as the recipe counts it; one that the recipe's augmentation lacks is left
    out."""
    length = (
        FirstOption("--epochs N", "passes over the training data", "loop.epochs")
        if recipe.loop.steps is None
        else FirstOption("--steps N", "updates of the weights", "loop.steps")
    )
    every = (_DATA, _RUN_DIR, _WEIGHTS, _BACKBONE, *_OF_TASK[task], length, *_SHARED)
    return tuple(option for option in every if _has(recipe, option.default))


def short_help(name: str, task: str, recipe: Any, description: str) -> str:
    """What `swinkit train RECIPE --help` says.

    Args:
        name: the recipe's.
        task: "classification", "detection" or "segmentation".
        recipe: with the defaults.
        description: the recipe's own.
    """
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    lines = [f"usage: swinkit train {name} [options]", "", *_described(description, width)]
    for option in first_options(task, recipe):
        lines += _option_lines(option, recipe, width)
    lines += ["", "Every value of the recipe is an option, of which this shows all:"]
    lines += [f"  swinkit train {name} --help-all"]
    return "\n".join(lines)


def _described(description: str, width: int) -> Iterator[str]:
    """The paragraphs of a docstring, wrapped anew."""
    paragraph: list[str] = []
    for line in [*inspect.cleandoc(description).splitlines(), ""]:
        if paragraph and (not line or line.startswith(STARTS)):
            yield from textwrap.wrap(" ".join(paragraph), width, break_on_hyphens=False, break_long_words=False)
            paragraph = []
        if line:
            paragraph.append(line)
        else:
            yield ""


def _option_lines(option: FirstOption, recipe: Any, width: int) -> Iterator[str]:
    """Flag and text on a line where they fit, else on two or three."""
    value = None if not option.default else reduce(getattr, option.default.split("."), recipe)
    default = "" if value is None else f" (default: {_written(value)})"
    whole = f"  {option.flag}  {option.text}{default}"
    if len(whole) <= width:
        yield whole
        return
    yield f"  {option.flag}"
    yield from textwrap.wrap(
        option.text + default,
        width,
        initial_indent=" " * INDENT,
        subsequent_indent=" " * INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _written(value: Any) -> str:
    """As it is written on the command line."""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _has(recipe: Any, path: str) -> bool:
    """Whether there is such a field."""
    for part in path.split(".") if path else ():
        if not hasattr(recipe, part):
            return False
        recipe = getattr(recipe, part)
    return True
