"""A trained segmentor, ready for images: model, class names and how images are shown to it, from one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, overload

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from swinkit.errors import InputError
from swinkit.explanation.activation import Method
from swinkit.explanation.attention import Place, PlaceAttention, place_attention
from swinkit.explanation.features import features_of
from swinkit.explanation.result import Explanation
from swinkit.images.given import GivenImage, given_image, given_images
from swinkit.segmentation.architectures import SEGMENTORS, describe_segmentor, read_described
from swinkit.segmentation.explanation import explain_segments, shown_to
from swinkit.segmentation.inference import InferenceSettings, predict_classes
from swinkit.segmentation.model import SegmentorModel
from swinkit.segmentation.result import Segmentation
from swinkit.structures import ONE_VIEW, Views
from swinkit.weights.hub import Shareable
from swinkit.weights.infer import infer_config
from swinkit.weights.model_file import ModelFile, described_palette

PUBLISHED = InferenceSettings(resize=(512, 2048))
"""How the official code shows images."""


@dataclass(eq=False, repr=False)
class Segmentor(Shareable):
    """A model with all that is needed to segment an image; `swinkit.open` gives one."""

    model: SegmentorModel
    """In evaluation mode."""
    classes: tuple[str, ...]
    """Names of the K classes."""
    preprocessing: InferenceSettings
    """How images are shown to the model unless told otherwise."""
    description: dict[str, Any]
    """What a file of this model says about itself."""

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def palette(self) -> tuple[tuple[int, int, int], ...]:
        """A colour for each class, where the weights came with them; empty elsewhere."""
        return described_palette(self.description, len(self.classes))

    @classmethod
    def from_file(cls, file: ModelFile, *, device: torch.device) -> Self:
        """A segmentor in evaluation mode.

        Of files of other code bases the architecture is read off the weights, classes are those of the file or numbers,
        and images are shown as published: whole, within 512 x 2048.

        Raises InputError where the file holds no segmentor, or is damaged.
        """
        description = file.description
        segmentor = file.filled(
            lambda: cls._foreign(file) if description is None else cls._own(file, description),
            lambda built: built.model,
        )
        segmentor.model.to(device).eval()
        return segmentor

    @classmethod
    def _own(cls, file: ModelFile, description: dict[str, Any]) -> Self:
        try:
            model, told = read_described(description)
        except InputError as error:
            raise InputError(f"{file.path} does not describe a segmentor: {error}") from None
        return cls(model, told.classes, told.preprocessing, description)

    @classmethod
    def _foreign(cls, file: ModelFile) -> Self:
        found = (kind.from_weights(file.tensors) for kind in SEGMENTORS.values())
        config = next((each for each in found if each is not None), None)
        if config is None:
            raise InputError(
                f"{file.path} holds no UperNet: its weights have no decode_head of one; give a segmentor's file"
            )
        num_classes = file.tensors["decode_head.conv_seg.weight"].shape[0]
        model, classes = config.build(infer_config(file.backbone).build(), num_classes), file.known_classes(num_classes)
        description = describe_segmentor(model, classes, PUBLISHED) | file.known_palette(num_classes)
        return cls(model, classes, PUBLISHED, description)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is a sequence of str, too, and one image
        self,
        images: GivenImage,
        *,
        settings: InferenceSettings | None = None,
        batch_size: int = 4,
        views: Views = ONE_VIEW,
    ) -> Segmentation: ...

    @overload
    def predict(
        self,
        images: Sequence[GivenImage],
        *,
        settings: InferenceSettings | None = None,
        batch_size: int = 4,
        views: Views = ONE_VIEW,
    ) -> list[Segmentation]: ...

    def predict(
        self,
        images: GivenImage | Sequence[GivenImage],
        *,
        settings: InferenceSettings | None = None,
        batch_size: int = 4,
        views: Views = ONE_VIEW,
    ) -> Segmentation | list[Segmentation]:
        """The class of every pixel of one image or of many.

        Args:
            images: a path, PIL image, array, tensor or bytes, or a sequence of them, see `swinkit.images.given`.
            settings: how they are shown; None is `preprocessing`.
            batch_size: how many images of one size are shown at once at most; how many changes rounding alone.
            views: show each image at several scales or mirrored, too, and average the probabilities.

        Returns:
            One result, or one for each image.

        Raises:
            InputError: where something is no image, or the GPU's memory is too small.
        """
        pictures, is_one = given_images(images)
        results: dict[int, Segmentation] = {}
        for numbers in _batches(pictures, batch_size):
            masks = self._masks([pictures[number] for number in numbers], settings or self.preprocessing, views)
            for number, mask in zip(numbers, masks, strict=True):
                results[number] = Segmentation(mask.numpy(), self.classes, pictures[number], self.palette)
        ordered = [results[number] for number in range(len(pictures))]
        return ordered[0] if is_one else ordered

    def explain(
        self,
        image: GivenImage,
        *,
        classes: Sequence[str] = (),
        top: int = 5,
        stage: int | None = None,
        method: Method = "hirescam",
    ) -> Explanation:
        """Which parts of an image speak for each class that is painted in it.

        Args:
            image: a path, PIL image, array, tensor or bytes, see `swinkit.images.given`.
            classes: names, of those that are painted at all; empty is the `top` that fill most.
            top: how many.
            stage: which feature of the backbone is looked at, from 0, or from the end, -1; None is the coarsest that is
                twenty cells long.
            method: how values and gradients become a map, see `explanation.activation`.

        Raises:
            InputError: where something is no image, there is no such class or feature, or grad-cam is not installed.
        """
        return explain_segments(
            self.model,
            given_image(image),
            self.preprocessing,
            self.classes,
            named=classes,
            top=top,
            stage=stage,
            method=method,
        )

    def attention(self, image: GivenImage, place: Place, *, stage: int | None = None) -> PlaceAttention:
        """What a place of an image, x and y in its pixels, attends to in every block of a stage, or of all.

        Raises InputError where there is no such place or stage, or the backbone is no Swin with windows.
        """
        picture = given_image(image)
        batch, frame = shown_to(self.model, picture, self.preprocessing)
        backbone: Any = self.model.backbone
        return place_attention(backbone, lambda: self.model(batch), picture, frame, place, stage=stage)

    def embed(self, images: GivenImage | Sequence[GivenImage]) -> Tensor:
        """The mean over each image of the backbone's last feature, (N, C) float32 on the CPU."""
        rows = [torch.zeros(0, self.model.backbone.channels[-1])]
        backbone: Any = self.model.backbone
        for picture in given_images(images)[0]:
            batch, frame = shown_to(self.model, picture, self.preprocessing)
            features, _ = features_of(backbone, partial(self.model, batch))
            rows.append(frame.mean_of(features[-1], self.model.backbone.strides[-1]))
        return torch.cat(rows)

    def _masks(self, pictures: Sequence[Image.Image], settings: InferenceSettings, views: Views) -> Tensor:
        """The class of every pixel of images of one size, (B, H, W) on the CPU, see `predict_classes`."""
        try:
            images = torch.stack([pil_to_tensor(x) for x in pictures])
            return predict_classes(self.model, images, settings, views).cpu()
        except torch.OutOfMemoryError:
            width, height = pictures[0].size
            count = "an image" if len(pictures) == 1 else f"{len(pictures)} images"
            raise InputError(
                f"{self.device} has too little memory for {count} of {width} x {height} pixels; show "
                f"{'it' if len(pictures) == 1 else 'fewer at once, or'} in windows, with --mode slide"
            ) from None

    def __repr__(self) -> str:
        return f"Segmentor({self.description['architecture']} of {len(self.classes)} classes on {self.device})"


def _batches(pictures: Sequence[Image.Image], most: int) -> Iterator[list[int]]:
    """The numbers of the images, in groups of one size and of at most so many."""
    same: dict[tuple[int, int], list[int]] = {}
    for number, picture in enumerate(pictures):
        same.setdefault(picture.size, []).append(number)
    for numbers in same.values():
        yield from (numbers[start : start + most] for start in range(0, len(numbers), most))
