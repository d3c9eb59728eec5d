"""Everything that decides a detection run, as one value, and the task that it builds."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from swinkit.backbone.deit import DeiTPyramidConfig
from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.table import check_rgb
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import SWIN_T
from swinkit.detection.architectures import DETECTORS, AnyDetector
from swinkit.detection.atss import ATSS
from swinkit.detection.data.aspect_sampling import AspectRatioSampler
from swinkit.detection.data.augmentation import (
    DetectionAugmentation,
    DetectionResize,
    SmallDetectionAugmentation,
    detection_transform,
)
from swinkit.detection.data.instaboost import check_instaboost
from swinkit.detection.data.learnable import USUAL_LIMIT
from swinkit.detection.data.samples import DetectionData, collate_detection
from swinkit.detection.data.scenes import open_detection_scenes
from swinkit.detection.data.semantic import SemanticMaps
from swinkit.detection.data.training_data import open_training_data, remarks, unlisted_files
from swinkit.detection.dense_maps import FINEST
from swinkit.detection.detector import DetectorConfig, DetectorModel
from swinkit.detection.evaluation_images import EvaluationImages
from swinkit.detection.htc import HTC
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.predictor import describe_detector
from swinkit.detection.rcnn import RCNNConfig
from swinkit.detection.reppoints_v2 import RepPointsV2
from swinkit.detection.task import DetectionTask
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.images.listing import left_out_lines
from swinkit.serialization import to_plain
from swinkit.training.class_weights import ClassWeights, weights_of_classes
from swinkit.training.data.batches import EpochBatches
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.loop import TrainingSettings
from swinkit.training.overfitting import chosen_images, overfitting_settings, repeated
from swinkit.training.processes import Processes, synchronised
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.training.starting_point import remarks_without_weights
from swinkit.weights.starting_weights import load_starting_weights

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DetectionRecipe:
    """A detection run; the defaults are the published Mask R-CNN of Swin-T, 1x, save stochastic depth."""

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
    semantic: Path | None = None
    """Of detectors that learn the class of every pixel (`semantic_classes` above 0): folder of the maps, PNG files
    named as the images, with a folder for each part of the data or without. None: stuffthingmaps/ beside the images,
    as COCO-stuff has it. Digit scenes bring their own."""
    class_weights: ClassWeights | None = None
    """What instances of each class weigh in the loss of classes, one number a class in the order of their names, or
    "balanced", which makes all classes count the same however many instances they have."""
    label_smoothing: float | None = None
    """Of detectors that learn classes by cross entropy (Mask R-CNN, its cascade, HTC): this share of every label is
    spread evenly over all classes and background, 0..1, such as 0.1."""
    skip_empty: bool = True
    """Leave images without instances out of the training, as the published code does."""
    validation_fraction: float = 0.2
    """Share of the images held out for validation where the data has no validation split, 0..1."""
    weights: str | None = None
    """Weights to start from: of a backbone, a classifier or a whole detector of this kind; a file, a name that
    `swinkit models` lists, an address, or hf-hub:owner/name. Last layers are new where the classes differ in number."""
    usual_weights: Annotated[str | None, tyro.conf.Suppress] = None
    """Published weights that the recipe is made for, without which a run says what that costs."""
    overfit: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Learn N images by heart, without augmentation, and validate on the same: the shortest way to see that data and
    model fit together. Changes batch, length and rates, see `overfitting`; other options come on top."""
    backbone: SwinConfig | TimmConfig | DeiTPyramidConfig = SWIN_T
    detector: AnyDetector = field(default_factory=MaskRCNN)
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

    def __post_init__(self) -> None:
        if self.label_smoothing is not None and not 0.0 <= self.label_smoothing <= 1.0:
            raise InputError(f"label_smoothing must lie between 0 and 1, not {self.label_smoothing}")

    def build(self, processes: Processes) -> DetectionTask:
        """Open the data and build the detector; raises InputError where something cannot be used."""
        check_rgb(self.backbone)
        data = self.open_data()
        if self.overfit is not None:
            few = data[0].subset(chosen_images(len(data[0]), self.overfit))
            data = few, few
        batches = self._batches(data[0], processes)
        model, description = self._model(data[0])
        model = synchronised(model, processes)
        processes.require_even(len(data[1]), sharding=self.loop.sharding)
        evaluation = EvaluationImages(data[1], self.resize, workers=self.loop.workers, processes=processes)
        return DetectionTask(model, batches=batches, data=data, evaluation=evaluation, description=description)

    def overfitting(self, images: int) -> DetectionRecipe:
        """The same recipe for learning so many images by heart: images as in validation, no stochastic depth, class
        weights or smoothing, and length, batch and rates as in `swinkit.training.overfitting`.

        Raises InputError where `images` is below 1.
        """
        settings = overfitting_settings(TrainingSettings(self.loop, self.optimizer, self.schedule), images)
        return replace(
            self,
            overfit=images,
            class_weights=None,
            label_smoothing=None,
            backbone=self.backbone.without_dropout(),
            optimizer=settings.optimizer,
            schedule=settings.schedule,
            loop=settings.loop,
        )

    def open_data(self) -> tuple[DetectionData, DetectionData]:
        """Training and validation images; raises InputError where they cannot be used."""
        maps = SemanticMaps(self.semantic_classes, self.semantic) if self.semantic_classes else None
        if self.semantic is not None and maps is None:
            raise InputError("--semantic names a folder of maps, but this detector learns none; leave it out")
        if self.dataset == "digit_scenes":
            return open_detection_scenes(self.scenes, semantic=maps)
        if self.data is None:
            raise InputError(f"the recipe {self.name} needs images with boxes; say where they are with --data DIR")
        train, val = open_training_data(
            self.data,
            image_root=self.images,
            masks=self.masks,
            validation_fraction=self.validation_fraction,
            semantic=maps,
        )
        counted = max(USUAL_LIMIT, getattr(self.detector, "detections", USUAL_LIMIT))
        for line in remarks(train, val, detections=counted):
            _log.warning("%s.", line)
        for line in left_out_lines(unlisted_files(self.data, image_root=self.images), root=self.data):
            _log.info("%s", line)
        return (train.with_objects() if self.skip_empty else train), val

    @property
    def semantic_classes(self) -> int:
        """Classes of the semantic maps that the detector learns from; 0 where it wants none."""
        return self.detector.semantic_classes if isinstance(self.detector, HTC) else 0

    def _batches(self, data: DetectionData, processes: Processes) -> EpochBatches:
        loop = self.loop
        shown: DetectionAugmentation | SmallDetectionAugmentation | DetectionResize = self.augmentation
        if self.overfit is not None:
            data, shown = data.subset(repeated(len(data), loop)), self.resize
        else:
            check_instaboost(self.augmentation.instaboost, has_masks=data.has_masks)
        sampler = AspectRatioSampler(
            data.sizes,
            batch_size=loop.batch_size,
            seed=loop.seed,
            rank=processes.rank,
            world_size=processes.count,
            accumulation=loop.accumulate,
        )
        view = SeededSamples(data, detection_transform(shown), seed=loop.seed)
        pin = processes.device.type == "cuda"
        return EpochBatches(view, sampler, workers=loop.workers, pin_memory=pin, collate=collate_detection)

    def _model(self, data: DetectionData) -> tuple[DetectorModel, dict[str, Any]]:
        """The detector with its first weights, and what its files say of it."""
        masks = data.has_masks and self.masks is not False
        config: DetectorConfig = self.detector
        if isinstance(self.detector, RCNNConfig):  # the others always have masks or never
            config = replace(self.detector, masks=masks)
        elif self.detector.masks and not masks:
            raise InputError(
                "this detector learns masks, and the data or the recipe have none; take one that finds boxes alone, "
                "such as --detector reppoints_v2"
            )
        wanted = self.backbone
        if isinstance(self.detector, ATSS | RepPointsV2):
            wanted = wanted.from_stride(FINEST)
        backbone = wanted.build(checkpoint_activations=self.loop.checkpoint_activations)
        model = config.build(backbone, len(data.classes))
        self._weigh_classes(model, data)
        if self.weights is not None:
            _log.info("%s: %s", self.weights, load_starting_weights(model, self.weights))
        for line in remarks_without_weights(self):
            _log.info("%s", line)
        description = describe_detector(model, data.classes, self.resize) | {"recipe": to_plain(self)}
        return model, description

    def _weigh_classes(self, model: DetectorModel, data: DetectionData) -> None:
        """Tells the detector what the recipe says of its loss of classes; raises InputError where it takes no such."""
        if self.class_weights is not None:
            if not model.takes_class_weights:
                raise InputError("this detector's loss takes no weights of classes; leave --class-weights out")
            model.class_weights = weights_of_classes(self.class_weights, data.class_counts)
        if self.label_smoothing:
            if not model.takes_label_smoothing:
                takers = ", ".join(name for name, kind in DETECTORS.items() if issubclass(kind, RCNNConfig))
                raise InputError(
                    f"--label-smoothing is for detectors that learn classes by cross entropy ({takers}), and this one "
                    "does by focal loss; leave it out"
                )
            model.label_smoothing = self.label_smoothing
