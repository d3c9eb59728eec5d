"""Where data, models, pictures and the training loop meet: what a recipe is, and how it is run."""

from swinkit.tasks.classification_recipe import ClassificationRecipe
from swinkit.tasks.classification_run import ClassificationRun, train_classifier
from swinkit.tasks.classifier import Classifier, open_classifier
from swinkit.tasks.segmentation_recipe import SegmentationRecipe
from swinkit.tasks.segmentation_run import SegmentationRun, train_segmentor
from swinkit.tasks.segmentor import Segmentor, open_segmentor

__all__ = [
    "ClassificationRecipe",
    "ClassificationRun",
    "Classifier",
    "SegmentationRecipe",
    "SegmentationRun",
    "Segmentor",
    "open_classifier",
    "open_segmentor",
    "train_classifier",
    "train_segmentor",
]
