"""Every number of a Mask R-CNN or Cascade Mask R-CNN, as values; the defaults are the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Self

from swinkit.errors import InputError
from swinkit.ops.boxes import Stds

UNIT: Stds = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class MatcherConfig:
    """Which boxes are taken for which objects, by their intersection over union (IoU), 0..1."""

    foreground: float = 0.5
    """From this IoU on, a box belongs to the object it overlaps most."""
    background: float = 0.5
    """Below this IoU, a box is background; between the two it is ignored."""
    low_quality: float | None = None
    """The boxes that overlap an object most belong to it all the same, from this IoU on; None does not do that."""


@dataclass(frozen=True)
class SamplerConfig:
    """How many boxes of an image are learned from."""

    count: int = 512
    """Boxes at most."""
    foreground: float = 0.25
    """Share that may be foreground; background fills up."""
    background_limit: float | None = None
    """Background boxes for each foreground box at most."""
    adds_objects: bool = True
    """The objects' own boxes are candidates, too."""


@dataclass(frozen=True)
class ProposalConfig:
    """Which of the anchors' boxes become proposals."""

    before_nms: int = 2000
    """Best boxes of each level."""
    kept: int = 1000
    """Proposals of an image after non-maximum suppression."""
    nms_iou: float = 0.7
    min_size: float = 0.0
    """Sides must be longer than this, in pixels."""


@dataclass(frozen=True)
class RPNConfig:
    """The region proposal network (arXiv 1506.01497)."""

    scales: tuple[float, ...] = (8.0,)
    """Anchors' sides, in strides of their level."""
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Anchors' heights over their widths, at the same area."""
    stds: Stds = UNIT
    beta: float = 0.0
    """Below this difference the box loss is a parabola (smooth L1); 0 is L1."""
    border: float | None = None
    """Only anchors that reach less than this many pixels out of the image are learned from; None learns from all."""
    matcher: MatcherConfig = MatcherConfig(foreground=0.7, background=0.3, low_quality=0.3)
    sampler: SamplerConfig = SamplerConfig(count=256, foreground=0.5, adds_objects=False)
    training: ProposalConfig = ProposalConfig(before_nms=2000, kept=1000)
    inference: ProposalConfig = ProposalConfig(before_nms=1000, kept=1000)


@dataclass(frozen=True)
class StageConfig:
    """One stage of box heads; Mask R-CNN has one, a cascade (arXiv 1712.00726) several."""

    stds: Stds = (0.1, 0.1, 0.2, 0.2)
    matcher: MatcherConfig = MatcherConfig(foreground=0.5, background=0.5, low_quality=0.5)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    weight: float = 1.0
    """What the stage's losses are multiplied with."""


@dataclass(frozen=True)
class DetectorConfig:
    """An R-CNN with a feature pyramid; the defaults are the published Mask R-CNN."""

    channels: int = 256
    """Width of the feature pyramid, the proposal network and the mask head."""
    extra_levels: int = 1
    """Coarser levels of the pyramid, for proposals alone, each by taking every other cell."""
    rpn: RPNConfig = field(default_factory=RPNConfig)
    stages: tuple[StageConfig, ...] = (StageConfig(),)
    is_cascade: bool = False
    """Parameters are named as a cascade's, also where there is a single stage."""
    roi_size: int = 7
    """Side of what the box heads see of each region, in cells."""
    finest_scale: float = 56.0
    """Regions up to twice this square root of their area, in pixels, are read off the finest level; each doubling goes
    a level up."""
    shared_convs: int = 0
    """3 x 3 convolutions of a box head, with batch norm."""
    shared_fcs: int = 2
    """Fully connected layers of a box head after these."""
    fc_channels: int = 1024
    decoded_regression: bool = False
    """Boxes are learned by GIoU loss (arXiv 1902.09630) on the boxes themselves, else by L1 loss on their encoding."""
    box_weight: float = 1.0
    """What the box loss is multiplied with."""
    class_agnostic: bool = False
    """One box for a region, instead of one for each class."""
    mask_roi_size: int = 14
    """Side of what the mask head sees of each region, in cells; masks have twice that."""
    mask_convs: int = 4
    score_threshold: float = 0.05
    """Detections below this score are left out."""
    nms_iou: float = 0.5
    """Of two detections of a class that overlap more than this, the worse one is left out."""
    detections: int = 100
    """Detections of an image at most."""

    def __post_init__(self) -> None:
        counts = (self.channels, self.roi_size, self.fc_channels, self.mask_roi_size, self.detections, len(self.stages))
        if min(counts) < 1 or min(self.extra_levels, self.shared_convs, self.mask_convs) < 0 or self.shared_fcs < 1:
            raise InputError(f"widths, sizes, layers, stages and detections of a detector must be at least 1: {self}")
        if len(self.stages) > 1 and not self.is_cascade:
            raise InputError("several stages make a cascade; set is_cascade")

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Self:
        """What `dataclasses.asdict` wrote, lists for tuples; TypeError or KeyError where there are other names."""
        return _from_plain(cls, values)


def _from_plain(kind: Any, values: Any) -> Any:
    """A dataclass from plain values, by its fields' defaults: nested ones are dataclasses, too."""
    nested = {"rpn": RPNConfig, "matcher": MatcherConfig, "sampler": SamplerConfig}
    nested |= {"training": ProposalConfig, "inference": ProposalConfig}
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name == "stages":
            given[name] = tuple(_from_plain(StageConfig, stage) for stage in value)
        elif name in nested and is_dataclass(nested[name]):
            given[name] = _from_plain(nested[name], value)
        else:
            given[name] = tuple(value) if isinstance(value, list) else value
    unknown = given.keys() - {each.name for each in fields(kind)}
    if unknown:
        raise TypeError(f"{kind.__name__} has no {sorted(unknown)[0]}")
    return kind(**given)


MASK_RCNN = DetectorConfig()
"""The published Mask R-CNN (configs/swin/mask_rcnn_swin_*)."""


def _cascade_stage(iou: float, stds: Stds, weight: float) -> StageConfig:
    return StageConfig(stds, MatcherConfig(foreground=iou, background=iou), SamplerConfig(), weight)


CASCADE_MASK_RCNN = DetectorConfig(
    rpn=RPNConfig(beta=1 / 9, border=0.0, training=ProposalConfig(before_nms=2000, kept=2000)),
    stages=(
        _cascade_stage(0.5, (0.1, 0.1, 0.2, 0.2), 1.0),
        _cascade_stage(0.6, (0.05, 0.05, 0.1, 0.1), 0.5),
        _cascade_stage(0.7, (0.033, 0.033, 0.067, 0.067), 0.25),
    ),
    is_cascade=True,
    shared_convs=4,
    shared_fcs=1,
    decoded_regression=True,
    box_weight=10.0,
)
"""The published Cascade Mask R-CNN (configs/swin/cascade_mask_rcnn_swin_*)."""
