"""A trained classifier, ready for images.

Shapes: B images, V views, H W image, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor

from swinkit.classification.data.preprocessing import (
    EvalPreprocessing,
    EvalTransform,
    ViewsTransform,
    eval_transform,
    published_preprocessing,
)
from swinkit.classification.explanation import explain_classes, frame_of
from swinkit.classification.model import SwinClassifier
from swinkit.classification.result import Classification
from swinkit.errors import InputError
from swinkit.explanation.activation import Method
from swinkit.explanation.attention import Place, PlaceAttention, place_attention
from swinkit.explanation.result import Explanation
from swinkit.images.given import GivenImage, given_image, given_images
from swinkit.serialization import from_plain, to_plain
from swinkit.structures import ONE_VIEW, Views
from swinkit.weights.catalogue import CATALOGUE, Preprocessing
from swinkit.weights.hub import Shareable
from swinkit.weights.infer import infer_config
from swinkit.weights.model_file import ModelFile


class Classifier(Shareable):
    """A model with what is needed to classify an image: class names and preprocessing.

    Args:
        model: the classifier, which is put into evaluation mode.
        classes: the names of its K classes, which must differ.
        preprocessing: how images are shown to it.
        description: what saved files say about it; None says what the other arguments do.
    """

    model: SwinClassifier

    def __init__(
        self,
        model: SwinClassifier,
        *,
        classes: Sequence[str],
        preprocessing: EvalPreprocessing,
        description: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model.eval()
        self.classes = tuple(classes)
        self.preprocessing = preprocessing
        self.normalise = preprocessing.normalisation()
        own = {"classes": list(self.classes), "preprocessing": to_plain(preprocessing)}
        self.description = model.description() | own if description is None else dict(description)
        model.remember(self.description)

    @classmethod
    def from_file(cls, file: ModelFile, *, device: torch.device) -> Self:
        """A classifier from a file.

        swinkit's own files describe themselves. Of other code bases' files the architecture is read off the weights;
        the preprocessing is that of the catalogue, where the file's name is in it, or the published one for the size;
        the classes are ImageNet-1K's names, where there are a thousand, or numbers.

        Raises InputError where the file holds no classifier, or its description does not fit its weights.
        """
        build = cls._of_others if file.description is None else cls._of_swinkit
        classifier = file.filled(lambda: build(file), lambda built: built.model)
        classifier.model.to(device)
        return classifier

    @classmethod
    def _of_swinkit(cls, file: ModelFile) -> Self:
        model = SwinClassifier.from_description(file.description or {})
        told, where = model.known.get("preprocessing"), f"the preprocessing in {file.path}"
        preprocessing = (
            _usual_preprocessing(model) if told is None else from_plain(EvalPreprocessing, told, where=where)
        )
        classes = model.known.get("classes") or class_names(model.num_classes)
        if not isinstance(classes, (list, tuple)) or not all(isinstance(name, str) for name in classes):
            raise InputError(f"the classes that {file.path} names are no list of texts; save it again")
        if len(classes) != model.num_classes:
            raise InputError(
                f"{file.path} names {len(classes)} classes, but its model has {model.num_classes}; save it again"
            )
        return cls(model, classes=classes, preprocessing=preprocessing, description=model.description())

    @classmethod
    def _of_others(cls, file: ModelFile) -> Self:
        if "head.weight" not in file.tensors:
            raise InputError(f"{file.path} holds no classifier: its weights have no head; give a classifier's file")
        model = SwinClassifier(infer_config(file.tensors), num_classes=file.tensors["head.weight"].shape[0])
        entry = CATALOGUE.get(file.path.stem)
        preprocessing = (
            _usual_preprocessing(model) if entry is None else as_preprocessing(entry.preprocessing, entry.input_size)
        )
        # The names are ours and not the file's: an evaluation may take those of the data's folders in their place.
        description = model.description() | {"preprocessing": to_plain(preprocessing)}
        count = model.num_classes
        names = file.known_classes(count) if file.classes else class_names(count)
        return cls(model, classes=names, preprocessing=preprocessing, description=description)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.norm.weight.device

    def __repr__(self) -> str:
        return f"Classifier(Swin of {len(self.classes)} classes on {self.device})"

    @property
    def transform(self) -> EvalTransform:
        """RGB image of any size to uint8 (3, H, W), 0..255, of the size that the model is shown."""
        return eval_transform(self.preprocessing)

    def inputs(self, images: Sequence[Image.Image]) -> Tensor:
        """RGB images as the model takes them: float32 (B, 3, H, W), normalised, on the CPU."""
        return self.normalise(torch.stack([self.transform(image) for image in images]))

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """Transformed images (B, 3, H, W), 0..255, to float32 logits (B, K) on the model's device."""
        return self.model(self.normalise(images.to(self.device))).float()

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """The views of transformed images (B, V, 3, H, W), 0..255, to the mean of their softmax, (B, K) on the model's
        device; one view of all images at a time."""
        total = torch.zeros(len(images), len(self.classes), device=self.device)
        for view in images.unbind(1):
            total += self.logits(view).softmax(-1)
        return total / images.shape[1]

    def predict(
        self,
        images: GivenImage | Sequence[GivenImage],
        *,
        top: int = 5,
        batch_size: int = 32,
        views: Views = ONE_VIEW,
    ) -> Classification | list[Classification]:
        """The most probable classes of one image or many.

        Args:
            images: a path, the bytes of a file, a PIL image, an array or a tensor, see `images.given`, or a list of
                such; an array or tensor of four dimensions is a batch.
            top: how many classes of each.
            batch_size: how many images are computed at once.
            views: show each image at several scales (of the shorter side, before the middle is cut out), or mirrored,
                too, and average the probabilities.

        Returns:
            One result, or a list of results where many images were given.

        Raises:
            InputError: where something is no image, or `top` or `batch_size` is below 1.
        """
        if top < 1 or batch_size < 1:
            raise InputError(f"top and batch_size must be at least 1, not {top} and {batch_size}")
        given, is_one = given_images(images)
        results: list[Classification] = []
        for start in range(0, len(given), batch_size):
            results += self._predicted(given[start : start + batch_size], top, views)
        return results[0] if is_one else results

    def explain(
        self,
        image: GivenImage,
        *,
        classes: Sequence[str] = (),
        top: int = 1,
        stage: int | None = None,
        method: Method = "hirescam",
    ) -> Explanation:
        """Which parts of an image speak for its most probable classes, or for those that are named.

        Args:
            image: a path, the bytes of a file, a PIL image, an array or a tensor, see `images.given`.
            classes: names; empty is the `top` most probable.
            top: how many.
            stage: whose map is looked at, from 0, or from the end, -1: earlier ones are finer and say less of classes.
                None is the last that is four cells long.
            method: how values and gradients become a map, see `explanation.activation`.

        Raises:
            InputError: where something is no image, there is no such class or stage, or grad-cam is not installed.
        """
        picture = given_image(image)
        pixels = self.inputs([picture]).to(self.device)
        frame = frame_of(self.transform, picture, pixels)
        return explain_classes(
            self.model, picture, pixels, frame, self.classes, named=classes, top=top, stage=stage, method=method
        )

    def attention(self, image: GivenImage, place: Place, *, stage: int | None = None) -> PlaceAttention:
        """What a place of an image, x and y in its pixels, attends to in every block of a stage, or of all.

        Raises InputError where the model is not shown the place, there is no such stage, or attention has no windows.
        """
        picture = given_image(image)
        pixels = self.inputs([picture]).to(self.device)
        frame = frame_of(self.transform, picture, pixels)
        return place_attention(self.model, lambda: self.model(pixels), picture, frame, place, stage=stage)

    @torch.no_grad()
    def embed(self, images: GivenImage | Sequence[GivenImage], *, batch_size: int = 32) -> Tensor:
        """What the head sees of one image or many: the mean of the normalised last map, (N, C) float32 on the CPU."""
        given, _ = given_images(images)
        rows = []
        for start in range(0, len(given), batch_size):
            maps = self.model.forward_features(self.inputs(given[start : start + batch_size]).to(self.device))
            rows.append(self.model.forward_head(maps, pre_logits=True).float().cpu())
        return torch.cat(rows) if rows else torch.zeros(0, self.model.num_features)

    def _predicted(self, images: Sequence[Image.Image], top: int, views: Views) -> list[Classification]:
        show = ViewsTransform(self.preprocessing, views)
        shown = torch.stack([show(image) for image in images])
        best = self.probabilities(shown).topk(min(top, len(self.classes)))
        return [
            Classification(tuple(self.classes[index] for index in indices), tuple(values), image)
            for image, indices, values in zip(images, best.indices.tolist(), best.values.tolist(), strict=True)
        ]


def _usual_preprocessing(model: SwinClassifier) -> EvalPreprocessing:
    """The published one for the model's size: the middle is cut out, but at 384 the whole image is squeezed."""
    size = max(model.config.image_size)
    return published_preprocessing(size, crop=size < 384)


def as_preprocessing(published: Preprocessing, size: tuple[int, int]) -> EvalPreprocessing:
    """The catalogue's preprocessing of a classifier in the form that data are prepared with."""
    shorter_side = published.resize if isinstance(published.resize, int) else None
    return EvalPreprocessing(size, shorter_side=shorter_side, interpolation=published.interpolation)


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
