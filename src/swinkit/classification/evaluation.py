"""What a trained classifier makes of labelled images: scores, and pictures of them.

Shapes: N images, B of a batch, V views, H W image, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from swinkit.classification.data.preprocessing import ViewsTransform
from swinkit.classification.data.samples import ClassificationData
from swinkit.classification.pictures.confusion import plot_confusion
from swinkit.classification.pictures.predictions import PredictionSample, choose_predictions, plot_predictions
from swinkit.classification.predictor import Classifier
from swinkit.classification.scores import ClassificationScores
from swinkit.files import save_image
from swinkit.pictures.curves import plot_curves
from swinkit.structures import ONE_VIEW, Views
from swinkit.training.data.loading import load_batches
from swinkit.training.data.sampling import EvalSampler
from swinkit.training.data.seeding import SeededView
from swinkit.training.run_folder import RunFolder


@dataclass(frozen=True)
class Measured:
    """What a classifier makes of N images, in order."""

    scores: ClassificationScores
    labels: Tensor
    """(N,) int64."""
    predicted: Tensor
    """(N,) int64: the most probable class."""
    probabilities: Tensor
    """(N,) float32: that class's probability, 0..1."""


@torch.inference_mode()
def measure(
    classifier: Classifier,
    data: ClassificationData,
    *,
    workers: int = 0,
    batch_size: int = 64,
    views: Views = ONE_VIEW,
    step: Callable[[int], object] = lambda done: None,
) -> Measured:
    """The scores and predictions of `classifier` on `data`; the images are loaded by `workers` processes, and shown as
    `views` says. `step` is called with how many are done."""
    scores = ClassificationScores(len(classifier.classes))
    view = SeededView(data, ViewsTransform(classifier.preprocessing, views), seed=0)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for images, labels in load_batches(view, EvalSampler(len(view), batch_size=batch_size).batches(), workers=workers):
        logits = _logits(classifier, images).cpu()
        scores.update(logits, labels)
        step(scores.images)
        best = logits.softmax(-1).max(-1)
        parts.append((labels, best.indices, best.values))
    labels, predicted, probabilities = (torch.cat(column) for column in zip(*parts, strict=True))
    return Measured(scores, labels, predicted, probabilities)


def _logits(classifier: Classifier, images: Tensor) -> Tensor:
    """Of views (B, V, 3, H, W): those of the one, or of several the logarithm of their mean probabilities."""
    if images.shape[1] == 1:
        return classifier.logits(images[:, 0])
    return classifier.probabilities(images).clamp(min=torch.finfo(torch.float32).tiny).log()


def draw_results(
    measured: Measured, data: ClassificationData, folder: Path, *, classes: Sequence[str]
) -> tuple[Path, ...]:
    """The confusion matrix, unless there are more than a thousand classes, and a page of predictions as PNG."""
    drawn: list[Path] = []
    if measured.scores.confusion is not None:
        drawn.append(folder / "confusion.png")
        plot_confusion(measured.scores.confusion, classes, drawn[-1])
    drawn.append(folder / "predictions.png")
    chosen, worst = choose_predictions(measured.predicted == measured.labels, measured.probabilities)

    def sample(index: int) -> PredictionSample:
        image, label = data[index]
        predicted, probability = int(measured.predicted[index]), float(measured.probabilities[index])
        return PredictionSample(image, classes[predicted], probability, classes[label])

    plot_predictions([sample(i) for i in chosen], drawn[-1], worst=[sample(i) for i in worst])
    return tuple(drawn)


def draw_pictures(
    run: RunFolder,
    classifier: Classifier,
    validation: ClassificationData,
    *,
    workers: int = 0,
    step: Callable[[int], object] = lambda done: None,
) -> tuple[Path, ...]:
    """The pictures of a finished run as PNG in its folder: learning curves, those of `draw_results` for its best model,
    and the first validation image. `step` is called with how many validation images are done."""
    curves, sample = run.root / "curves.png", run.root / "sample.png"
    plot_curves(run.metrics, curves)
    measured = measure(classifier, validation, workers=workers, step=step)
    drawn = draw_results(measured, validation, run.root, classes=classifier.classes)
    save_image(validation[0][0], sample)
    return (curves, *drawn, sample)
