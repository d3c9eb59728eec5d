"""How well features tell labelled classes apart, and which labels are likely wrong.

Shapes: N images, C channels, K classes.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from swinkit.embedding.neighbours import Neighbours, voted

FOLDS = 5
REGULARISATION = 0.01
"""scikit-learn's C of the linear probe, on standardised features."""
MOST_LEARNED = 20_000
"""Images that a probe learns from."""


class WrongLabel(NamedTuple):
    """A label that the other images speak against."""

    number: int
    """Of the image."""
    suggested: int
    """The class that they speak for."""
    confidence: float
    """How probable the label itself is, 0..1."""


class Separability(NamedTuple):
    """How well the features of labelled images tell their classes apart."""

    knn_accuracy: float
    """0..1, leave-one-out: every image by the labels of its nearest others."""
    probe_accuracy: float
    """0..1, cross-validated: every image by a linear probe that has not seen it."""
    counted: int
    """Images of classes with at least two, which are those that count."""
    wrong: tuple[WrongLabel, ...]
    """Likely wrong labels, the most suspicious first."""


def separability(features: np.ndarray, labels: np.ndarray, neighbours: Neighbours, classes: int) -> Separability | None:
    """What features (N, C) say about labels (N,), 0..K-1; None where fewer than two classes have two images."""
    counts = np.bincount(labels, minlength=classes)
    counted = counts[labels] >= 2
    if (counts >= 2).sum() < 2:
        return None
    near = voted(neighbours, labels, classes)
    probed = np.zeros((len(labels), classes))
    probed[counted] = probe(features[counted], labels[counted], classes)
    return Separability(
        float((near.argmax(1) == labels)[counted].mean()),
        float((probed.argmax(1) == labels)[counted].mean()),
        int(counted.sum()),
        tuple(likely_wrong((near + probed) / 2, labels, counted)),
    )


def probe(features: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Probabilities (N, K) of every image by logistic regression on the other folds, drawn by classes, always the same.

    Args:
        features: (N, C).
        labels: (N,), 0..K-1, each at least twice.
        classes: K.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = np.zeros((len(labels), classes))
    draw = np.random.default_rng(0)
    folds = _folds(labels, draw)
    for fold in range(FOLDS):
        held_out, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(others) > MOST_LEARNED:
            others = draw.choice(others, MOST_LEARNED, replace=False)
        if not len(held_out):
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(C=REGULARISATION, max_iter=200))
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            model.fit(features[others], labels[others])
        found[np.ix_(held_out, model.classes_)] = model.predict_proba(features[held_out])
    return found


def likely_wrong(probabilities: np.ndarray, labels: np.ndarray, counted: np.ndarray) -> list[WrongLabel]:
    """Labels that confident learning (arXiv 1911.00068) calls wrong: another class is more probable, and as probable as
    it is in the mean of the images that are labelled as it. First come the least probable labels: where probabilities
    are right, those are the likeliest to be wrong, however sure another class is.

    Args:
        probabilities: (N, K), of each image by what has not seen its label.
        labels: (N,).
        counted: (N,) bool, which images are asked about.
    """
    rows = np.arange(len(labels))
    usual = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(labels[counted]):
        usual[label] = probabilities[counted & (labels == label), label].mean()
    others = np.where(probabilities >= usual, probabilities, -1.0)
    others[rows, labels] = -1.0
    suggested = others.argmax(1)
    own, best = probabilities[rows, labels], others[rows, suggested]
    suspicious = np.flatnonzero(counted & (best > own))
    order = suspicious[np.argsort(own[suspicious], kind="stable")]
    return [WrongLabel(int(number), int(suggested[number]), float(own[number])) for number in order]


def _folds(labels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A fold for every image, those of each class spread evenly: (N,)."""
    folds = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        folds[draw.permutation(members)] = (np.arange(len(members)) + draw.integers(FOLDS)) % FOLDS
    return folds
