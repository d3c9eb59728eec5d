"""A trained classifier, ready for images: model, class names and preprocessing from one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from swinkit.classification.data.preprocessing import EvalPreprocessing, eval_transform, published_preprocessing
from swinkit.classification.model import SwinClassifier
from swinkit.errors import InputError
from swinkit.training.run_facts import from_plain
from swinkit.weights.catalogue import CATALOGUE, Preprocessing
from swinkit.weights.describe import read_description
from swinkit.weights.formats import recognise
from swinkit.weights.infer import infer_config
from swinkit.weights.load import load_weights
from swinkit.weights.model_files import model_file
from swinkit.weights.read import read_weights_file


@dataclass(frozen=True)
class Classifier:
    """What is needed to classify an image."""

    model: SwinClassifier
    classes: tuple[str, ...]
    preprocessing: EvalPreprocessing
    description: dict[str, Any]
    """What the file says about itself; empty for files of other code bases."""

    @property
    def device(self) -> torch.device:
        return self.model.norm.weight.device

    @property
    def transform(self) -> Callable[[Image.Image], Tensor]:
        """RGB image to the model's input (C, H, W)."""
        return eval_transform(self.preprocessing)

    @torch.inference_mode()
    def predict(self, images: Sequence[Image.Image], *, top: int = 5) -> list[list[tuple[str, float]]]:
        """The `top` most probable classes of each RGB image with their probabilities (0..1), best first."""
        batch = torch.stack([self.transform(image) for image in images]).to(self.device)
        best = self.model(batch).float().softmax(-1).topk(min(top, len(self.classes)))
        return [
            [(self.classes[index], probability) for index, probability in zip(indices, values, strict=True)]
            for indices, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]


def open_classifier(source: str | Path, *, device: torch.device | None = None) -> Classifier:
    """A classifier from a file in evaluation mode.

    swinkit's own files describe themselves. Of other code bases' files the architecture is read off the weights; the
    preprocessing is that of the catalogue, where the file's name is in it, or the published one for the size; the
    classes are ImageNet-1K's names, where there are a thousand, or numbers.

    Args:
        source: a file, a run's folder, a name of the catalogue, an https address or hf-hub:owner/name.
        device: where the model goes; None is the CPU.

    Raises:
        InputError: where there is no such file or it holds no classifier.
    """
    path = model_file(source)
    description = read_description(path)
    classifier = _foreign(path) if description is None else _own(path, description)
    classifier.model.to(device or torch.device("cpu")).eval()
    return classifier


def _own(path: Path, description: dict[str, Any]) -> Classifier:
    model = SwinClassifier.from_description(description)
    load_weights(model, path)
    preprocessing = _usual_preprocessing(model)
    stored = description.get("preprocessing")
    if stored is not None:
        try:
            preprocessing = from_plain(EvalPreprocessing, stored)
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(f"the preprocessing in {path} is damaged or from another version ({error})") from None
    classes = description.get("classes") or class_names(model.num_classes)
    if len(classes) != model.num_classes:
        raise InputError(f"{path} names {len(classes)} classes, but its model has {model.num_classes}; save it again")
    return Classifier(model, tuple(classes), preprocessing, description)


def _foreign(path: Path) -> Classifier:
    tensors = recognise(read_weights_file(path).tensors).tensors
    if "head.weight" not in tensors:
        raise InputError(f"{path} holds no classifier: its weights have no head; give a classifier's file")
    model = SwinClassifier(infer_config(tensors), num_classes=tensors["head.weight"].shape[0])
    load_weights(model, path)
    entry = CATALOGUE.get(path.stem)
    preprocessing = (
        _usual_preprocessing(model) if entry is None else as_preprocessing(entry.preprocessing, entry.input_size)
    )
    return Classifier(model, class_names(model.num_classes), preprocessing, {})


def _usual_preprocessing(model: SwinClassifier) -> EvalPreprocessing:
    """The published one for the model's size: the middle is cut out, but at 384 the whole image is squeezed."""
    size = max(model.config.image_size)
    return published_preprocessing(size, crop=size < 384)


def as_preprocessing(published: Preprocessing, size: tuple[int, int]) -> EvalPreprocessing:
    """The catalogue's preprocessing of a classifier in the form that data are prepared with."""
    return EvalPreprocessing(
        size,
        shorter_side=published.resize if isinstance(published.resize, int) else None,
        interpolation=published.interpolation,
        mean=published.mean,
        std=published.std,
    )


def class_names(count: int) -> tuple[str, ...]:
    """ImageNet-1K's names for a thousand classes, else numbers."""
    if count == 1000:
        from torchvision.models import Swin_T_Weights

        return tuple(_distinct(Swin_T_Weights.IMAGENET1K_V1.meta["categories"]))
    return tuple(str(number) for number in range(count))


def _distinct(names: Sequence[str]) -> list[str]:
    """ImageNet has two cranes and two maillots: the later one gets its number."""
    seen: set[str] = set()
    distinct = []
    for number, name in enumerate(names):
        distinct.append(f"{name} ({number})" if name in seen else name)
        seen.add(name)
    return distinct
