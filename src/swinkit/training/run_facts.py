"""What every run says of itself: its recipe as plain data, and one line at its beginning."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from swinkit.training.processes import Processes

_log = logging.getLogger(__name__)


def plain(recipe: Any) -> dict[str, Any]:
    """A recipe, a dataclass, as plain data for files."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(recipe), default=str))
    return values


T = TypeVar("T")


def from_plain(kind: type[T], values: Mapping[str, Any]) -> T:
    """The dataclass of this kind that `plain` wrote, lists taken for tuples; TypeError, AttributeError or InputError
    where the values are not its own."""
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return kind(**given)


def deciding(recipe: Any) -> dict[str, Any]:
    """What decides a run's result: all but where and how it is computed. A run may go on with these changed."""
    neutral = replace(recipe.loop, workers=0, threads=None, device=None, log_every=1)
    return plain(replace(recipe, loop=neutral))


def announce(
    name: str, model: nn.Module, *, images: tuple[int, int], classes: Sequence[str], root: Path, to: Processes
) -> None:
    """One line on what begins: images to train and validate on, classes, model, device, folder."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    where = str(to.device) if to.count == 1 else f"{to.count} processes"
    _log.info(
        f"{name}: {images[0]:,} images to train on, {images[1]:,} to validate on, {len(classes):,} classes; a "
        f"model of {parameters:,} parameters on {where}; folder {root}"
    )
