"""A classifier as an exported file: what the file says, and a classifier that runs it.

Shapes: B images, H W image, K classes.
"""

from __future__ import annotations

import json
from typing import Self

import torch
from torch import Tensor

from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.predictor import Classifier
from swinkit.errors import InputError
from swinkit.serialization import from_plain, to_plain
from swinkit.structures import ExportedFile

OUTPUTS = ("logits",)


def classifier_metadata(classifier: Classifier) -> dict[str, str]:
    """What an exported file says about its classifier and how it is used."""
    return {
        "format": "swinkit",
        "task": "classification",
        "architecture": str(classifier.description.get("architecture")),
        "classes": json.dumps(list(classifier.classes), ensure_ascii=False),
        "preprocessing": json.dumps(to_plain(classifier.preprocessing)),
        "input": "images: (batch, channels, height, width) float32, resized and normalised as preprocessing says",
        "output": "logits (batch, classes)",
    }


class ExportedClassifier(Classifier):
    """A classifier that runs an exported file; see `Classifier`. It has no `model`."""

    def __init__(self, file: ExportedFile) -> None:
        told = file.metadata["preprocessing"]
        self.run = file.run
        self.classes = file.classes
        self.preprocessing = from_plain(EvalPreprocessing, told, where=f"the preprocessing of {file.path}")
        self.normalise = self.preprocessing.normalisation()
        architecture = file.metadata.get("architecture")
        self.description = {"task": file.task, "architecture": architecture, "exported": str(file.path)}

    @classmethod
    def from_exported(cls, file: ExportedFile) -> Self:
        """The classifier of a file; raises InputError where that does not say what `classifier_metadata` does."""
        return cls(file)

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """See `Classifier.logits`; raises InputError where the file gives something else."""
        logits = self.run(self.normalise(images).contiguous())[0]
        if logits.shape != (len(images), len(self.classes)):
            raise InputError(
                f"the exported file gives {tuple(logits.shape)}, which are no logits of {len(self.classes)} classes;"
                " export the model again"
            )
        return logits
