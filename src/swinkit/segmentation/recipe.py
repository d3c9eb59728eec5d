"""Everything that decides a segmentation run, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.variants import SWIN_T, VARIANTS, Variant
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.segmentation.data.augmentation import SegmentationAugmentation
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.model import UperNetConfig
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings


@dataclass(frozen=True)
class SegmentationRecipe:
    """A run of UperNet; the defaults are the published ADE20K recipe of Swin-T, save stochastic depth."""

    name: Annotated[str, tyro.conf.Suppress] = "segmentation"
    """What the run is called; its folder is runs/NAME unless told otherwise."""
    data: Path | None = None
    """Folder with images and masks of the same names: images/training and annotations/training (ADE20K; also train,
    val), or train/images and train/masks, or images and masks alone; beside them classes.txt."""
    dataset: Literal["folder", "digit_scenes"] = "folder"
    """"folder" reads `data`; "digit_scenes" makes scenes of scikit-learn's digits and photographs, which needs none."""
    scenes: SceneSettings = field(default_factory=SceneSettings)
    """What digit scenes are like."""
    classes_file: Path | None = None
    """Text file with a class name a line, in the order of the masks' values. Default: classes.txt in the data."""
    reduce_zero_label: bool = False
    """Masks have 0 for "other", which is ignored, and 1 for the first class, as in ADE20K."""
    class_weights: tuple[float, ...] | None = None
    """What the pixels of each class weigh in the loss, one number a class."""
    validation_fraction: float = 0.2
    """Share of the images held out for validation where the data has no validation part, 0..1."""
    weights: str | None = None
    """Weights to start from: of a backbone, a classifier or a whole UperNet; a file, a name that `swinkit models`
    lists, an address, or hf-hub:owner/name. Heads are new where the classes differ in number. With `timm_backbone`,
    "timm" takes timm's own."""
    variant: Variant | None = None
    """Take this published architecture as backbone instead of the recipe's; its stochastic depth stays."""
    timm_backbone: str | None = None
    """Take this model of the timm library as backbone instead, such as resnet101."""
    model: SwinConfig = SWIN_T
    head: UperNetConfig = field(default_factory=UperNetConfig)
    augmentation: SegmentationAugmentation = field(default_factory=SegmentationAugmentation)
    inference: InferenceSettings = field(default_factory=lambda: InferenceSettings(resize=(512, 2048)))
    """How images are shown to the model in validation, and afterwards unless told otherwise."""
    auxiliary_weight: float = 0.4
    """What the auxiliary head's loss is multiplied with."""
    optimizer: OptimizerSettings = field(
        default_factory=lambda: OptimizerSettings(lr=6e-5, reference_batch=None, weight_decay=0.01, no_decay="dense")
    )
    schedule: ScheduleSettings = field(
        default_factory=lambda: ScheduleSettings(decay="poly", warmup_steps=1500, warmup_ratio=1e-6)
    )
    loop: Annotated[LoopSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: LoopSettings(
            steps=160_000,
            batch_size=16,
            clip_grad=None,
            evaluate_every_steps=16_000,
            checkpoint_every=1000,
            log_every=50,
        )
    )

    def resolved(self) -> SegmentationRecipe:
        """The same recipe with `variant` put where it belongs; raises InputError where values do not fit together."""
        if self.model.in_channels != 3:
            raise InputError(f"images are read as RGB, so --model.in-channels must be 3, not {self.model.in_channels}")
        if self.variant is None:
            return self
        if self.timm_backbone is not None:
            raise InputError("--variant and --timm-backbone name two backbones; leave one out")
        model = replace(VARIANTS[self.variant], drop_path_rate=self.model.drop_path_rate)
        return replace(self, variant=None, model=model)
