"""How well a model does: scores that are counted batch by batch and added up over processes."""

from swinkit.evaluation.classification import CONFUSION_LIMIT, ClassificationScores
from swinkit.evaluation.coco_numbers import ClassNumbers, CocoNumbers
from swinkit.evaluation.detection import DetectionResults, DetectionScores, encode_mask, results_table
from swinkit.evaluation.segmentation import SegmentationScores

__all__ = [
    "CONFUSION_LIMIT",
    "ClassNumbers",
    "ClassificationScores",
    "CocoNumbers",
    "DetectionResults",
    "DetectionScores",
    "SegmentationScores",
    "encode_mask",
    "results_table",
]
