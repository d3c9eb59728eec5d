"""The pictures of a finished classification run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from swinkit.classification.data.samples import ClassificationData
from swinkit.classification.pictures.confusion import plot_confusion
from swinkit.classification.pictures.predictions import PredictionSample, choose_predictions, plot_predictions
from swinkit.classification.predictor import Classifier, open_classifier
from swinkit.classification.scores import ClassificationScores
from swinkit.files import save_image
from swinkit.pictures.curves import plot_curves
from swinkit.training.data.loading import load_batches
from swinkit.training.data.sampling import EvalSampler
from swinkit.training.data.seeding import SeededView
from swinkit.training.run_folder import RunFolder

PICTURES = ("curves", "confusion", "predictions", "sample")


def draw_pictures(
    run: RunFolder, validation: ClassificationData, *, device: torch.device, workers: int = 0
) -> tuple[Path, ...]:
    """Learning curves, and of the best model the confusion matrix and a page of predictions, as PNG in the run's
    folder, and beside them the first validation image. There is no confusion matrix of more than a thousand classes."""
    curves, sample = run.root / "curves.png", run.root / "sample.png"
    plot_curves(run.metrics, curves)
    classifier = open_classifier(run.best_model, device=device)
    _, drawn = draw_results(classifier, validation, run.root, workers=workers)
    save_image(validation[0][0], sample)
    return (curves, *drawn, sample)


def draw_results(
    classifier: Classifier, data: ClassificationData, folder: Path, *, workers: int = 0
) -> tuple[ClassificationScores, tuple[Path, ...]]:
    """The scores of `classifier` on `data`, and its confusion matrix and a page of predictions as PNG in `folder`."""
    measured = measure(classifier, data, workers=workers)
    names, predicted, probabilities = classifier.classes, measured.predicted, measured.probabilities
    drawn: list[Path] = []
    if measured.scores.confusion is not None:
        drawn.append(folder / "confusion.png")
        plot_confusion(measured.scores.confusion, names, drawn[-1])
    drawn.append(folder / "predictions.png")
    chosen, worst = choose_predictions(predicted == measured.labels, probabilities)

    def sample(index: int) -> PredictionSample:
        image, label = data[index]
        return PredictionSample(image, names[predicted[index]], float(probabilities[index]), names[label])

    plot_predictions([sample(i) for i in chosen], drawn[-1], worst=[sample(i) for i in worst])
    return measured.scores, tuple(drawn)


class Measured(NamedTuple):
    """What a classifier makes of N images, in order."""

    scores: ClassificationScores
    labels: Tensor
    """(N,) int64."""
    predicted: Tensor
    """(N,) int64: the most probable class."""
    probabilities: Tensor
    """(N,) float32: that class's probability, 0..1."""


@torch.inference_mode()
def measure(classifier: Classifier, data: ClassificationData, *, workers: int = 0, batch_size: int = 64) -> Measured:
    """The scores and predictions of `classifier` on `data`; the images are loaded by `workers` processes."""
    scores = ClassificationScores(len(classifier.classes))
    view = SeededView(data, classifier.transform, seed=0)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for images, labels in load_batches(view, EvalSampler(len(view), batch_size=batch_size).batches(), workers=workers):
        logits = classifier.model(images.to(classifier.device)).float().cpu()
        scores.update(logits, labels)
        best = logits.softmax(-1).max(-1)
        parts.append((labels, best.indices, best.values))
    labels, predicted, probabilities = (torch.cat(column) for column in zip(*parts, strict=True))
    return Measured(scores, labels, predicted, probabilities)
