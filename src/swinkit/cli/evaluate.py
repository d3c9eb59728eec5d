"""swinkit evaluate CHECKPOINT"""

from __future__ import annotations

from collections.abc import Sequence

from swinkit.cli.by_task import run_by_task
from swinkit.cli.evaluate_classifier import evaluate_classifier_command
from swinkit.cli.evaluate_detector import evaluate_detector_command
from swinkit.cli.evaluate_segmentor import evaluate_segmentor_command


def evaluate_command(arguments: Sequence[str]) -> None:
    """Scores of a trained model on labelled images."""
    commands = {
        "classification": evaluate_classifier_command,
        "detection": evaluate_detector_command,
        "segmentation": evaluate_segmentor_command,
    }
    run_by_task("evaluate", commands, arguments)
