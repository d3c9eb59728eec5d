"""swinkit predict CHECKPOINT IMAGE..."""

from __future__ import annotations

from collections.abc import Sequence

from swinkit.cli.by_task import TaskCommand, run_by_task
from swinkit.cli.predict_classes import PredictClassesOptions, predict_classes
from swinkit.cli.predict_masks import PredictMasksOptions, predict_masks
from swinkit.cli.predict_objects import PredictObjectsOptions, predict_objects


def predict_command(arguments: Sequence[str]) -> None:
    """What a trained model sees in images."""
    commands = {
        "classification": TaskCommand(PredictClassesOptions, predict_classes),
        "detection": TaskCommand(PredictObjectsOptions, predict_objects),
        "segmentation": TaskCommand(PredictMasksOptions, predict_masks),
    }
    run_by_task("predict", commands, arguments, takes_exported=True)
