"""Everything that decides a detection run, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import SWIN_T, VARIANTS, Variant
from swinkit.detection.config import MASK_RCNN, DetectorConfig
from swinkit.detection.data.augmentation import DetectionAugmentation, DetectionResize, SmallDetectionAugmentation
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings


@dataclass(frozen=True)
class DetectionRecipe:
    """A run of Mask R-CNN or Cascade Mask R-CNN; the defaults are the published Mask R-CNN of Swin-T, 1x, save
    stochastic depth."""

    name: Annotated[str, tyro.conf.Suppress] = "detection"
    """What the run is called; its folder is runs/NAME unless told otherwise."""
    data: Path | None = None
    """A COCO json, or a folder with annotations/train.json and val.json beside train/ and val/ (or
    annotations/instances_train2017.json beside train2017/, as COCO's own)."""
    images: Path | None = None
    """Folder of the images, where `data` is a json and they do not lie in one of the usual places."""
    dataset: Literal["coco", "digit_scenes"] = "coco"
    """"coco" reads `data`; "digit_scenes" makes scenes of scikit-learn's digits and photographs, which needs none."""
    scenes: SceneSettings = field(default_factory=SceneSettings)
    """What digit scenes are like."""
    masks: bool | None = None
    """Learn masks, or boxes alone; None learns masks where all annotations have them."""
    skip_empty: bool = True
    """Leave images without objects out of the training, as the published code does."""
    validation_fraction: float = 0.2
    """Share of the images held out for validation where the data has no validation part, 0..1."""
    weights: str | None = None
    """Weights to start from: of a backbone, a classifier or a whole detector of this kind; a file, a name that
    `swinkit models` lists, an address, or hf-hub:owner/name. Last layers are new where the classes differ in number.
    With `timm_backbone`, "timm" takes timm's own."""
    variant: Variant | None = None
    """Take this published architecture as backbone instead of the recipe's; its stochastic depth stays."""
    timm_backbone: str | None = None
    """Take this model of the timm library as backbone instead, such as resnet50 or resnext101_32x4d."""
    model: SwinConfig = SWIN_T
    detector: DetectorConfig = MASK_RCNN
    augmentation: DetectionAugmentation | SmallDetectionAugmentation = field(default_factory=DetectionAugmentation)
    resize: DetectionResize = field(default_factory=DetectionResize)
    """The size at which images are shown in validation, and afterwards unless told otherwise."""
    optimizer: OptimizerSettings = field(
        default_factory=lambda: OptimizerSettings(lr=1e-4, reference_batch=None, weight_decay=0.05, no_decay="dense")
    )
    schedule: ScheduleSettings = field(
        default_factory=lambda: ScheduleSettings(
            decay="step", milestones=(8, 11), gamma=0.1, warmup_steps=500, warmup_ratio=1e-3
        )
    )
    loop: Annotated[LoopSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: LoopSettings(
            epochs=12, batch_size=16, clip_grad=None, checkpoint_every=1000, log_every=50
        )
    )

    def resolved(self) -> DetectionRecipe:
        """The same recipe with `variant` put where it belongs; raises InputError where values do not fit together."""
        if self.model.in_channels != 3:
            raise InputError(f"images are read as RGB, so --model.in-channels must be 3, not {self.model.in_channels}")
        if self.variant is None:
            return self
        if self.timm_backbone is not None:
            raise InputError("--variant and --timm-backbone name two backbones; leave one out")
        model = replace(VARIANTS[self.variant], drop_path_rate=self.model.drop_path_rate)
        return replace(self, variant=None, model=model)
