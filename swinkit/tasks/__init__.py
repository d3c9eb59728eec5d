"""Where data, models, pictures and the training loop meet: what a recipe is, and how it is run."""

from swinkit.tasks.classification_recipe import ClassificationRecipe
from swinkit.tasks.classification_run import train_classifier
from swinkit.tasks.classifier import Classifier, open_classifier
from swinkit.tasks.detection_recipe import DetectionRecipe
from swinkit.tasks.detection_run import train_detector
from swinkit.tasks.detector import Detector, open_detector
from swinkit.tasks.run import Run
from swinkit.tasks.segmentation_recipe import SegmentationRecipe
from swinkit.tasks.segmentation_run import train_segmentor
from swinkit.tasks.segmentor import Segmentor, open_segmentor

__all__ = [
    "ClassificationRecipe",
    "Classifier",
    "DetectionRecipe",
    "Detector",
    "Run",
    "SegmentationRecipe",
    "Segmentor",
    "open_classifier",
    "open_detector",
    "open_segmentor",
    "train_classifier",
    "train_detector",
    "train_segmentor",
]
