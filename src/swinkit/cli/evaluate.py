"""swinkit evaluate CHECKPOINT"""

from __future__ import annotations

from collections.abc import Sequence

from swinkit.cli.by_task import TaskCommand, run_by_task
from swinkit.cli.evaluate_classifier import EvaluateClassifierOptions, evaluate_classifier
from swinkit.cli.evaluate_detector import EvaluateDetectorOptions, evaluate_detector
from swinkit.cli.evaluate_segmentor import EvaluateSegmentorOptions, evaluate_segmentor


def evaluate_command(arguments: Sequence[str]) -> None:
    """Scores of a trained model on labelled images."""
    commands = {
        "classification": TaskCommand(EvaluateClassifierOptions, evaluate_classifier),
        "detection": TaskCommand(EvaluateDetectorOptions, evaluate_detector),
        "segmentation": TaskCommand(EvaluateSegmentorOptions, evaluate_segmentor),
    }
    run_by_task("evaluate", commands, arguments)
