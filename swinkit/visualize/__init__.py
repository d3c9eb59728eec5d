"""Pictures of runs and results as PNG: learning curves, confusion, predictions."""

from swinkit.visualize.annotation import annotate_image
from swinkit.visualize.confusion import plot_confusion
from swinkit.visualize.curves import plot_curves
from swinkit.visualize.metrics import Series, read_metrics
from swinkit.visualize.predictions import PredictionSample, choose_predictions, plot_predictions

__all__ = [
    "PredictionSample",
    "Series",
    "annotate_image",
    "choose_predictions",
    "plot_confusion",
    "plot_curves",
    "plot_predictions",
    "read_metrics",
]
