"""Where data, models, pictures and the training loop meet: what a recipe is, and how it is run."""

from swinkit.tasks.classification_recipe import ClassificationRecipe
from swinkit.tasks.classification_run import ClassificationRun, train_classifier
from swinkit.tasks.classifier import Classifier, open_classifier

__all__ = ["ClassificationRecipe", "ClassificationRun", "Classifier", "open_classifier", "train_classifier"]
