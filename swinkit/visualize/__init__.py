"""Pictures of runs and results as PNG: learning curves, confusion, predictions, painted classes."""

from swinkit.visualize.annotation import annotate_image
from swinkit.visualize.confusion import plot_confusion
from swinkit.visualize.curves import plot_curves
from swinkit.visualize.detection_data import plot_detection_data
from swinkit.visualize.detections import DetectionSample, draw_detections, plot_detections
from swinkit.visualize.metrics import Series, read_metrics
from swinkit.visualize.predictions import PredictionSample, choose_predictions, plot_predictions
from swinkit.visualize.segmentation import (
    SegmentationSample,
    draw_segmentation,
    plot_class_iou,
    plot_segmentations,
    save_index_mask,
)

__all__ = [
    "DetectionSample",
    "PredictionSample",
    "SegmentationSample",
    "Series",
    "annotate_image",
    "choose_predictions",
    "draw_detections",
    "draw_segmentation",
    "plot_class_iou",
    "plot_confusion",
    "plot_curves",
    "plot_detection_data",
    "plot_detections",
    "plot_predictions",
    "plot_segmentations",
    "read_metrics",
    "save_index_mask",
]
