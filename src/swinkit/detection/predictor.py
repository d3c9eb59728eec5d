"""A trained detector, ready for images: model, class names and how images are shown to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import torch
from PIL import Image
from torch import nn

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.table import backbone_config, describe_backbone
from swinkit.detection.architectures import DETECTORS, architecture_of, config_class, recognise_detector
from swinkit.detection.data.augmentation import DetectionEvaluation, DetectionResize, as_it_is
from swinkit.detection.detector import DetectorConfig, DetectorModel
from swinkit.detection.evaluation_images import detect_in, detect_in_views
from swinkit.detection.explanation import explain_detections, shown_to
from swinkit.detection.result import DetectionResult
from swinkit.detection.soft_nms import Suppression
from swinkit.errors import InputError
from swinkit.explanation.activation import Method
from swinkit.explanation.attention import Place, PlaceAttention, place_attention
from swinkit.explanation.features import features_of
from swinkit.explanation.result import Explanation
from swinkit.images.given import GivenImage, given_image, given_images
from swinkit.serialization import from_plain, to_plain
from swinkit.structures import ONE_VIEW, Instances, Views
from swinkit.weights.hub import Shareable
from swinkit.weights.infer import infer_backbone
from swinkit.weights.model_file import ModelFile, described_palette

BATCH = 4
"""Images of one size that are shown at once, unless told otherwise."""

NOTHING = Instances(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), None)


@dataclass(frozen=True, repr=False)
class Detector(Shareable):
    """What is needed to find instances in images; `swinkit.open` makes it from a file."""

    model: DetectorModel
    classes: tuple[str, ...]
    preprocessing: DetectionResize
    """The size at which images are shown to the model."""
    description: dict[str, Any]
    """What a file of it says: architecture, backbone, classes, and of a trained one its recipe and results."""

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def palette(self) -> tuple[tuple[int, int, int], ...]:
        """A colour for each class, where the weights came with them; empty elsewhere."""
        return described_palette(self.description, len(self.classes))

    def __repr__(self) -> str:
        return f"Detector({self.description['architecture']} of {len(self.classes)} classes on {self.device})"

    def predict(
        self,
        images: GivenImage | Sequence[GivenImage],
        *,
        threshold: float = 0.0,
        top: int | None = None,
        batch_size: int = BATCH,
        views: Views = ONE_VIEW,
    ) -> DetectionResult | list[DetectionResult]:
        """The instances in one image or many.

        Args:
            images: one path, PIL image, array or tensor, or several, see `GivenImage`.
            threshold: least score, 0..1.
            top: at most so many, the best; None keeps all that the detector gives.
            batch_size: images of one size that are shown at once.
            views: show each image in several ways, one after the other, and merge what is found.

        Returns:
            A `DetectionResult`, or of several images a list of them.

        Raises:
            InputError: where something is no image.
        """
        if not 0 <= threshold <= 1:
            raise InputError(f"the threshold must lie in 0..1, not {threshold}")
        pictures, is_single = given_images(images)
        found = self._results(pictures, batch_size) if views == ONE_VIEW else self._in_views(pictures, views)
        results = [each.above(threshold, top=top) for each in found]
        return results[0] if is_single else results

    def explain(
        self,
        image: GivenImage,
        *,
        classes: Sequence[str] = (),
        top: int = 5,
        threshold: float = 0.3,
        stage: int | None = None,
        method: Method = "hirescam",
    ) -> Explanation:
        """Which parts of an image speak for each of the best detections in it.

        Args:
            image: one path, PIL image, array or tensor, see `GivenImage`.
            classes: names; detections of these alone. Empty is all.
            top: at most so many detections.
            threshold: least score, 0..1.
            stage: which feature of the backbone is looked at, from 0, or from the end, -1; None is for each detection
                the coarsest in which its box is six cells long.
            method: how values and gradients become a map, see `explanation.activation`.

        Raises:
            InputError: where something is no image, there is no such class or feature, or grad-cam is not installed.
        """
        return explain_detections(
            self.model,
            given_image(image),
            self.preprocessing,
            self.classes,
            named=classes,
            top=top,
            threshold=threshold,
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
        return place_attention(backbone, lambda: self.model(batch, [frame.shown]), picture, frame, place, stage=stage)

    def embed(self, images: GivenImage | Sequence[GivenImage]) -> torch.Tensor:
        """The mean over each image of the backbone's last feature, (N, C) float32 on the CPU."""
        rows = [torch.zeros(0, self.model.backbone.channels[-1])]
        backbone: Any = self.model.backbone
        for picture in given_images(images)[0]:
            batch, frame = shown_to(self.model, picture, self.preprocessing)
            features, _ = features_of(backbone, partial(self.model, batch, [frame.shown]))
            rows.append(frame.mean_of(features[-1], self.model.backbone.strides[-1]))
        return torch.cat(rows)

    def with_suppression(self, suppression: Suppression) -> Self:
        """A copy of this detector that treats boxes that overlap a better one of their class in another way.

        Args:
            suppression: plain NMS or one of the three kinds of soft-NMS.

        Raises:
            InputError: where it suppresses nothing, as Sparse R-CNN.
        """
        config: Any = self.model.config
        if not hasattr(config, "suppression"):
            name = self.description["architecture"]
            raise InputError(f"a {name} leaves no boxes out, so soft-NMS has nothing to do")
        config = replace(config, suppression=suppression)
        backbone = backbone_config(self.description["backbone"]).build()
        model: DetectorModel = config.build(backbone, self.model.num_classes)
        model.load_state_dict(self.model.state_dict())
        description = self.description | {"config": to_plain(config)}
        make_ready(model.to(next(self.model.parameters())))
        return replace(self, model=model, description=description)

    def _in_views(self, pictures: Sequence[Image.Image], views: Views) -> Iterator[DetectionResult]:
        for picture in pictures:
            image, _ = as_it_is(picture, NOTHING)
            found = detect_in_views(self.model, image, self.preprocessing, views, device=self.device)
            yield DetectionResult(found, self.classes, picture, self.palette)

    def _results(self, pictures: Sequence[Image.Image], batch_size: int) -> Iterator[DetectionResult]:
        show = DetectionEvaluation(self.preprocessing)
        shown = [show(picture, NOTHING)[0] for picture in pictures]
        start = 0
        while start < len(shown):
            size = shown[start].shape
            stop = start + 1
            while stop < min(len(shown), start + batch_size) and shown[stop].shape == size:
                stop += 1
            group = [image.to(self.device) for image in shown[start:stop]]
            sizes = [(picture.height, picture.width) for picture in pictures[start:stop]]
            for picture, found in zip(pictures[start:stop], detect_in(self.model, group, sizes), strict=True):
                yield DetectionResult(found, self.classes, picture, self.palette)
            start = stop

    @classmethod
    def from_file(
        cls,
        file: ModelFile,
        *,
        device: torch.device,
        architectures: Mapping[str, type[DetectorConfig]] = DETECTORS,
    ) -> Self:
        """The detector of a file, in evaluation mode; raises InputError where it holds none that is known."""
        build = cls._foreign if file.description is None else cls._own
        detector = file.filled(lambda: build(file, architectures), lambda built: built.model)
        make_ready(detector.model.to(device))
        return detector

    @classmethod
    def _own(cls, file: ModelFile, architectures: Mapping[str, type[DetectorConfig]]) -> Self:
        description = file.description or {}
        kind = config_class(description.get("architecture"), architectures)
        config = from_plain(kind, description.get("config"), where=f"the detector of {file.path}")
        backbone = backbone_config(description.get("backbone")).build()
        names = description.get("classes")
        classes = tuple(name for name in names if isinstance(name, str)) if isinstance(names, (list, tuple)) else ()
        if len(classes) != description.get("num_classes") or not classes:
            count = description.get("num_classes")
            raise InputError(f"{file.path} names {len(classes)} classes, but its model has {count}; save it again")
        resize = from_plain(
            DetectionResize, description.get("preprocessing"), where=f"the preprocessing of {file.path}"
        )
        return cls(config.build(backbone, len(classes)), classes, resize, description)

    @classmethod
    def _foreign(cls, file: ModelFile, architectures: Mapping[str, type[DetectorConfig]]) -> Self:
        recognised = recognise_detector(file.tensors, architectures)
        if recognised is None:
            raise InputError(
                f"{file.path} holds no detector that swinkit has ({', '.join(architectures)}); give a file of one"
            )
        config, count = recognised
        backbone: SwinConfig = infer_backbone(file.backbone)
        model, classes, resize = config.build(backbone.build(), count), file.known_classes(count), DetectionResize()
        description = describe_detector(model, classes, resize, architectures) | file.known_palette(count)
        return cls(model, classes, resize, description)


def make_ready(model: DetectorModel) -> None:
    """In evaluation mode. On a CPU convolutions take weights with channels last, as Swin's maps are: that saves a sixth
    of a Mask R-CNN's time."""
    if next(model.parameters()).device.type == "cpu":
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                layer.to(memory_format=torch.channels_last)
    model.eval()


def describe_detector(
    model: DetectorModel,
    classes: Sequence[str],
    resize: DetectionResize,
    architectures: Mapping[str, type[DetectorConfig]] = DETECTORS,
) -> dict[str, Any]:
    """What a file says of a detector, as plain data; raises InputError where its backbone cannot be described."""
    return {
        "task": "detection",
        "architecture": architecture_of(model.config, architectures),
        "config": to_plain(model.config),
        "backbone": describe_backbone(model.backbone),
        "num_classes": model.num_classes,
        "classes": list(classes),
        "preprocessing": to_plain(resize),
    }
