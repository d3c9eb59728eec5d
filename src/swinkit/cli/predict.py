"""swinkit predict CHECKPOINT IMAGE..."""

from __future__ import annotations

from collections.abc import Sequence

from swinkit.cli.by_task import run_by_task
from swinkit.cli.predict_classes import predict_classes_command
from swinkit.cli.predict_masks import predict_masks_command
from swinkit.cli.predict_objects import predict_objects_command


def predict_command(arguments: Sequence[str]) -> None:
    """What a trained model sees in images."""
    commands = {
        "classification": predict_classes_command,
        "detection": predict_objects_command,
        "segmentation": predict_masks_command,
    }
    run_by_task("predict", commands, arguments)
