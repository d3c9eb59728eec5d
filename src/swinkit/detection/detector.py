"""What every detector is, so that task, predictor, export and training know nothing of which one they hold.

Shapes: B images, H W padded batch, N instances, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from swinkit.backbone.contract import Backbone
from swinkit.detection.views import View, merged_detections
from swinkit.errors import InputError
from swinkit.layers.pixels import pad_batch
from swinkit.structures import Detections, Instances

Size = tuple[int, int]
"""Height and width, in pixels."""


class DetectorModel(nn.Module, ABC):
    """A network with the three methods that all detectors share.

    Subclasses set `backbone`, `num_classes` and `config`, and `has_masks` where they find masks beside boxes, and
    `masks_fill` where these are of another kind.
    Nothing but `forward` uses weights: FSDP, DDP, torch.compile and torch.export see it alone. Test-time augmentation
    runs it or, of detectors of regions, its parts.
    """

    backbone: Backbone
    config: DetectorConfig
    num_classes: int
    """K."""
    has_masks: bool = False
    masks_fill: Literal["boxes", "image"] = "boxes"
    """What the masks of `deployed` fill."""
    takes_class_weights: ClassVar[bool] = False
    """Whether `losses` looks at `class_weights`."""
    takes_label_smoothing: ClassVar[bool] = False
    """Whether it looks at `label_smoothing`."""
    class_weights: Tensor | None
    """(K,) what regions, anchors or points of an instance weigh in the loss of classes, where background weighs 1; None
    weighs all 1."""
    label_smoothing: float
    """This share of every label is spread evenly over all classes and background, 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("class_weights", None, persistent=False)
        self.label_smoothing = 0.0

    @abstractmethod
    def forward(self, images: Tensor, sizes: Sequence[Size], targets: Sequence[Instances] | None = None) -> Any:
        """The whole network.

        Args:
            images: RGB (B, 3, H, W), values 0..255, padded right and bottom (`swinkit.layers.pixels.pad_batch`).
            sizes: height and width of each image without padding.
            targets: ground truth of each image, in its pixels. It only decides which regions are read (which proposals
                are sampled, what later stages are fed), never the type of what is returned.
        """

    @abstractmethod
    def losses(self, outputs: Any, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """Scalars whose sum is minimised, already weighted.

        Args:
            outputs: what `forward` gave for these targets.
            targets: ground truth of each image; images without any are background.
        """

    @abstractmethod
    def postprocess(
        self, outputs: Any, sizes: Sequence[Size], *, scales: Sequence[tuple[float, float]] | None = None
    ) -> list[Detections]:
        """The detections of each image, best first, in the pixels of the original image.

        Args:
            outputs: what `forward` gave without targets.
            sizes: height and width of each original image.
            scales: what its (width, height) was multiplied with to become the model's input; by default the quotient
                of the two sizes.
        """

    def weights_of_cells(
        self, valid: Tensor, matches: Sequence[tuple[Tensor, Tensor]], targets: Sequence[Instances]
    ) -> Tensor:
        """What each of M anchors, points or proposals weighs in the loss of classes, (B, M).

        Args:
            valid: (B, M), whether they count, or what background weighs.
            matches: of each image the numbers of the positives, (P,), and of their ground truths, (P,).
            targets: ground truth of each image.
        """
        if self.class_weights is None:
            return valid
        weights = valid.to(self.class_weights.dtype, copy=True)
        for of_image, (numbers, matched), truth in zip(weights, matches, targets, strict=True):
            of_image[numbers] *= self.class_weights[truth.labels[matched]]
        return weights

    def class_logits(self, outputs: Any, size: Size, *, scale: tuple[float, float] | None = None) -> Tensor:
        """What the scores of the detections in the only image of a batch were made from, with gradients: (N,), the
        logit of each one's class at the cell, region or proposal that it was read off, in the order of `postprocess`.

        Args:
            outputs: what `forward` gave without targets.
            size: height and width of the original image.
            scale: see `postprocess`.

        Raises:
            InputError: where a detector does not say it.
        """
        raise InputError(
            f"{type(self).__name__} does not say which of its scores a detection comes from, so it cannot be "
            "explained; give its class a method class_logits"
        )

    @torch.no_grad()
    def deployed(self, outputs: Any, size: Size) -> Detections:
        """What was found in the only image of a batch as exported files say it, in pixels of that image.

        Masks are such that nothing need be known of the original image: (N, M, M), 0..1, filling their boxes, or, where
        `masks_fill` is "image", (N, H, W), 0..1, of the padded batch at stride `dynamic_masks.OUTPUT_STRIDE`.

        Args:
            outputs: what `forward` gave without targets.
            size: height and width of the image without padding.
        """
        (found,) = self.postprocess(outputs, [size], scales=[(1.0, 1.0)])
        return found

    @torch.no_grad()
    def detect_views(self, views: Sequence[View], size: Size) -> Detections:
        """The detections of one image that is shown in several ways, best first, in the pixels of the original.

        So of any detector: those of all views together, see `merged_detections`. Views are run one after another.

        Args:
            views: how the image is shown.
            size: its height and width.
        """
        parts = []
        for view in views:
            (found,) = self.postprocess(self(*pad_batch([view.image])), [size], scales=[view.scale])
            parts.append(view.upright(found))
        return merged_detections(parts)


class DetectorConfig(Protocol):
    """A frozen dataclass that holds every number of a detector, and builds it."""

    @property
    def masks(self) -> bool:
        """Whether it learns and finds masks beside boxes."""
        ...

    def build(self, backbone: Backbone, num_classes: int) -> DetectorModel:
        """The detector around `backbone`, with fresh heads for K classes."""
        ...

    @classmethod
    def recognise(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, int] | None:
        """The configuration and number of classes of weights under official names; None where they are another's."""
        ...


def check_targets(targets: Sequence[Instances], sizes: Sequence[Size], *, num_classes: int, masks: bool) -> None:
    """Raises InputError where targets do not belong to images of these sizes, labels are not among K classes, or masks
    are asked for and missing or of another size, or boxes have another shape or no area."""
    if len(targets) != len(sizes):
        raise InputError(f"there are {len(sizes)} images, but instances of {len(targets)}")
    for number, (each, size) in enumerate(zip(targets, sizes, strict=True)):
        _check_boxes(each, number)
        if masks and (each.masks is None or tuple(each.masks.shape[1:]) != tuple(size)):
            shape = None if each.masks is None else tuple(each.masks.shape)
            raise InputError(
                f"the masks of an image of {tuple(size)} should be (N, {size[0]}, {size[1]}), not {shape}; a detector "
                "without mask heads (masks=False) learns from boxes alone"
            )
        if each.labels.device.type == "cpu" and len(each.labels):
            low, high = (int(value) for value in each.labels.aminmax())
            if low < 0 or high >= num_classes:
                raise InputError(
                    f"labels run from {low} to {high}, but {num_classes} classes are numbered 0 to "
                    f"{num_classes - 1}; check the annotations and the class list"
                )


def _check_boxes(objects: Instances, number: int) -> None:
    boxes = objects.boxes
    if boxes.ndim != 2 or boxes.shape != (len(objects.labels), 4):
        raise InputError(
            f"the boxes of image {number} of the batch should be ({len(objects.labels)}, 4), one for each label, not "
            f"{tuple(boxes.shape)}"
        )
    if boxes.device.type == "cpu" and len(boxes):  # a look at another device's values would wait for it
        bad = ~((boxes[:, 2:] > boxes[:, :2]).all(1) & boxes.isfinite().all(1))
        if bad.any():
            raise InputError(
                f"box {[round(value, 2) for value in boxes[bad][0].tolist()]} of image {number} of the batch has no "
                "area; boxes are left, top, right, bottom in pixels, and swinkit check-data finds such ones"
            )


def at_original_size(boxes: Tensor, shown: Size, size: Size, scale: tuple[float, float] | None) -> Tensor:
    """Boxes (R, 4) in an image that was shown at `shown` (height, width), in the pixels of the original of `size`."""
    width, height = scale or (shown[1] / size[1], shown[0] / size[0])
    return boxes / boxes.new_tensor([width, height, width, height])
