"""The pictures of a finished classification run."""

from __future__ import annotations

from pathlib import Path

import torch

from swinkit.data.classification import ClassificationData
from swinkit.data.loading import load_batches
from swinkit.data.sampling import EvalSampler
from swinkit.data.seeding import SeededView
from swinkit.engine.run_folder import RunFolder
from swinkit.evaluation import ClassificationScores
from swinkit.tasks.classifier import Classifier, open_classifier
from swinkit.visualize import PredictionSample, choose_predictions, plot_confusion, plot_curves, plot_predictions


def draw_pictures(run: RunFolder, validation: ClassificationData) -> tuple[Path, ...]:
    """Learning curves, and of the best model the confusion matrix and a page of predictions, as PNG in the run's
    folder. The confusion matrix is left out for more than a thousand classes."""
    curves = run.root / "curves.png"
    plot_curves(run.metrics, curves)
    return (curves, *draw_results(open_classifier(run.best_model), validation, run.root)[1])


def draw_results(
    classifier: Classifier, data: ClassificationData, folder: Path
) -> tuple[ClassificationScores, tuple[Path, ...]]:
    """The scores of `classifier` on `data`, and its confusion matrix and a page of predictions as PNG in `folder`."""
    scores, predicted, probabilities = measure(classifier, data)
    drawn: list[Path] = []
    if scores.confusion is not None:
        drawn.append(folder / "confusion.png")
        plot_confusion(scores.confusion, classifier.classes, drawn[-1])
    drawn.append(folder / "predictions.png")
    truth = torch.as_tensor(data.labels)
    chosen, worst = choose_predictions(predicted == truth, probabilities)

    def sample(index: int) -> PredictionSample:
        image, label = data[index]
        names = classifier.classes
        return PredictionSample(image, names[predicted[index]], float(probabilities[index]), names[label])

    plot_predictions([sample(i) for i in chosen], drawn[-1], worst=[sample(i) for i in worst])
    return scores, tuple(drawn)


@torch.inference_mode()
def measure(
    classifier: Classifier, data: ClassificationData, *, batch_size: int = 64
) -> tuple[ClassificationScores, torch.Tensor, torch.Tensor]:
    """Scores, and for every image in order its predicted class (int64) and that class's probability (0..1)."""
    scores = ClassificationScores(len(classifier.classes))
    view = SeededView(data, classifier.transform, seed=0)
    predicted, probabilities = [], []
    for images, labels in load_batches(view, EvalSampler(len(view), batch_size=batch_size).batches()):
        logits = classifier.model(images.to(classifier.device)).float().cpu()
        scores.update(logits, labels)
        best = logits.softmax(-1).max(-1)
        predicted.append(best.indices)
        probabilities.append(best.values)
    return scores, torch.cat(predicted), torch.cat(probabilities)
