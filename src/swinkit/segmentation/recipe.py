"""Everything that decides a segmentation run, as one value."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from torch import Tensor

from swinkit.backbone.deit import DeiTPyramidConfig
from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import SWIN_T
from swinkit.errors import InputError
from swinkit.images.digit_scenes import SceneSettings
from swinkit.ops.resizing import resized_shape
from swinkit.segmentation.architectures import describe_segmentor
from swinkit.segmentation.data.augmentation import SegmentationAugmentation, SegmentationTransform, collate_crops
from swinkit.segmentation.data.learnable import LabelCounts
from swinkit.segmentation.data.samples import SegmentationData
from swinkit.segmentation.data.scenes import open_segmentation_scenes
from swinkit.segmentation.data.training_data import crop_remarks, open_training_data
from swinkit.segmentation.evaluation import EvaluationImages
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.model import UperNet, UperNetConfig
from swinkit.segmentation.task import SegmentationTask
from swinkit.serialization import to_plain
from swinkit.training.class_weights import ClassWeights, check_class_weights, weights_of_classes
from swinkit.training.data.batches import EpochBatches
from swinkit.training.data.sampling import TrainSampler
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.loop import TrainingSettings
from swinkit.training.overfitting import chosen_images, overfitting_settings, repeated
from swinkit.training.processes import Processes, synchronised
from swinkit.training.progress import watched
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.training.starting_point import remarks_without_weights
from swinkit.weights.starting_weights import load_starting_weights

OVERFIT_EPOCHS = 48
"""Of 50 steps each."""

_log = logging.getLogger(__name__)


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
    mask_values: tuple[int, ...] | None = None
    """The masks' value of each class, in the order of the list of classes, where they are not 0, 1, 2 and so on, such
    as 0 255; then 255 is no longer ignored."""
    class_weights: ClassWeights | None = None
    """What pixels of each class weigh in the loss, one number a class in the order of the list of classes, or
    "balanced", which makes all classes count the same however many pixels they have."""
    label_smoothing: float | None = None
    """This share of every pixel's label is spread evenly over all classes, 0..1, such as 0.1."""
    train_on_all: bool = False
    """Train on the validation images, too, as for a test server; the validation then measures nothing new."""
    validation_fraction: float = 0.2
    """Share of the images held out for validation where the data has no validation split, 0..1."""
    weights: str | None = None
    """Weights to start from: of a backbone, a classifier or a whole UperNet; a file, a name that `swinkit models`
    lists, an address, or hf-hub:owner/name. Heads are new where the classes differ in number."""
    usual_weights: Annotated[str | None, tyro.conf.Suppress] = None
    """Published weights that the recipe is made for, without which a run says what that costs."""
    overfit: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Learn N images by heart, without augmentation, and validate on the same: the shortest way to see that data and
    model fit together. Changes batch, length and rates, see `overfitting`; other options come on top."""
    backbone: SwinConfig | TimmConfig | DeiTPyramidConfig = SWIN_T
    """A Swin, DeiT with a pyramid, or a model of the timm library."""
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

    def __post_init__(self) -> None:
        if self.label_smoothing is not None and not 0.0 <= self.label_smoothing <= 1.0:
            raise InputError(f"label_smoothing must lie between 0 and 1, not {self.label_smoothing}")

    def build(self, processes: Processes) -> SegmentationTask:
        """Open the data and build the task; raises InputError where data, weights or values cannot be used."""
        _require_rgb(self.backbone)
        train, validation = open_data(self)
        augmentation = self.augmentation
        if self.overfit is not None:
            train = validation = train.subset(chosen_images(len(train), self.overfit))
            augmentation = _whole_images(train, self.inference)
        classes = validation.classes
        _require_memory(self, augmentation.crop_size, len(classes), processes)
        _require_even_evaluation(self, len(validation), processes)
        batches = _training_batches(self, augmentation, train, processes)
        model = _model(self, len(classes))
        description = describe_segmentor(model, classes, self.inference) | {"recipe": to_plain(self)}
        return SegmentationTask(
            synchronised(model, processes),
            batches=batches,
            train=train,
            validation=EvaluationImages(validation, self.inference, workers=self.loop.workers, processes=processes),
            description=description,
            auxiliary_weight=self.auxiliary_weight,
            class_weights=_class_weights(self, train, processes),
            label_smoothing=self.label_smoothing or 0.0,
        )

    def overfitting(self, images: int) -> SegmentationRecipe:
        """The same recipe for learning so many images by heart: whole images as in validation, no stochastic depth,
        dropout, class weights or smoothing, and rates as in `swinkit.training.overfitting`.

        Half the batch and up to `OVERFIT_EPOCHS`: thin objects, such as poles of two pixels, count as much in mIoU as
        the sky, and are learned last.

        Raises InputError where `images` is below 1.
        """
        settings = overfitting_settings(TrainingSettings(self.loop, self.optimizer, self.schedule), images)
        batch = settings.loop.batch_size
        loop = replace(settings.loop, epochs=OVERFIT_EPOCHS, batch_size=batch // 2 if batch >= 4 else batch)
        return replace(
            self,
            overfit=images,
            class_weights=None,
            label_smoothing=None,
            backbone=self.backbone.without_dropout(),
            head=replace(self.head, dropout=0.0),
            optimizer=settings.optimizer,
            schedule=settings.schedule,
            loop=loop,
        )


def open_data(recipe: SegmentationRecipe) -> tuple[SegmentationData, SegmentationData]:
    """Training and validation images of a recipe; raises InputError where they cannot be used."""
    if recipe.train_on_all and recipe.dataset != "folder":
        raise InputError("--train-on-all is for folders of images; leave it out, or raise --scenes.train-scenes")
    if recipe.dataset == "digit_scenes":
        return open_segmentation_scenes(recipe.scenes)
    if recipe.data is None:
        raise InputError(f"the recipe {recipe.name} needs images with masks; say where they are with --data DIR")
    splits, said = open_training_data(
        recipe.data,
        classes_file=recipe.classes_file,
        reduce_zero_label=recipe.reduce_zero_label,
        mask_values=recipe.mask_values,
        validation_fraction=recipe.validation_fraction,
    )
    if recipe.overfit is None:  # which crops nothing
        said += crop_remarks(splits[0], recipe.augmentation)
    for line in said:
        _log.warning("%s", line)
    return (splits[0].joined(splits[1]), splits[1]) if recipe.train_on_all else splits


def _whole_images(data: SegmentationData, inference: InferenceSettings) -> SegmentationAugmentation:
    """No augmentation: whole images at the size at which they are validated, padded to the largest."""
    images = (data[index][0] for index in range(len(data)))
    sizes = [resized_shape(image.height, image.width, 1.0, inference.resize) for image in images]
    return SegmentationAugmentation(
        crop_size=(max(height for height, _ in sizes), max(width for _, width in sizes)),
        resize=inference.resize,
        ratio=(1.0, 1.0),
        most_of_one_class=1.0,
        horizontal_flip=0.0,
        photometric=False,
    )


def _training_batches(
    recipe: SegmentationRecipe, augmentation: SegmentationAugmentation, data: SegmentationData, processes: Processes
) -> EpochBatches:
    loop = recipe.loop
    if recipe.overfit is not None:
        data = data.subset(repeated(len(data), loop))
    sampler = TrainSampler(
        len(data),
        batch_size=loop.batch_size,
        seed=loop.seed,
        rank=processes.rank,
        world_size=processes.count,
        accumulation=loop.accumulate,
    )
    is_synchronised = processes.count > 1 and processes.device.type == "cuda"
    together = sampler.batch_size // loop.accumulate // (1 if is_synchronised else processes.count)
    if together < 2:
        raise InputError(
            f"batch norm needs two images at least in every part of a batch, and there is {together}: raise "
            f"--batch-size, or lower --accumulate ({len(data)} images to train on)"
        )
    view = SeededSamples(data, SegmentationTransform(augmentation), seed=loop.seed)
    pin_memory = processes.device.type == "cuda"
    return EpochBatches(view, sampler, workers=loop.workers, pin_memory=pin_memory, collate=collate_crops)


def _model(recipe: SegmentationRecipe, num_classes: int) -> UperNet:
    """With the weights that it starts from."""
    backbone = recipe.backbone.build(checkpoint_activations=recipe.loop.checkpoint_activations)
    model = recipe.head.build(backbone, num_classes)
    if recipe.weights is not None:
        _log.info("%s: %s", recipe.weights, load_starting_weights(model, recipe.weights))
    for line in remarks_without_weights(recipe):
        _log.info("%s", line)
    return model


def _require_rgb(backbone: SwinConfig | TimmConfig | DeiTPyramidConfig) -> None:
    if isinstance(backbone, SwinConfig) and backbone.in_channels != 3:
        raise InputError(f"images are read as RGB, so --backbone.in-channels must be 3, not {backbone.in_channels}")


def _class_weights(recipe: SegmentationRecipe, data: SegmentationData, processes: Processes) -> Tensor | None:
    """(K,), or None where all classes weigh the same."""
    told = recipe.class_weights
    if told is None:
        return None
    if isinstance(told, str):  # "balanced"
        return weights_of_classes(told, _pixels_of_classes(data, processes))
    check_class_weights(told, len(data.classes))
    return torch.tensor(told)


def _pixels_of_classes(data: SegmentationData, processes: Processes) -> list[int]:
    """How many pixels of each class all masks have, each process counting its share of them."""
    counts = LabelCounts(data.classes, "the training masks")
    for index in watched(range(processes.rank, len(data), processes.count), "counting the pixels of each class"):
        counts.add(data.labels(index))
    return [int(count) for count in processes.sum(torch.from_numpy(counts.pixels[:-1])).tolist()]


def _require_even_evaluation(recipe: SegmentationRecipe, images: int, processes: Processes) -> None:
    """Raises InputError where processes that share a model would not run it equally often in the validation."""
    if recipe.loop.sharding != "fsdp" or processes.count == 1:
        return
    if images < processes.count:
        raise InputError(
            f"{images} validation images are too few for {processes.count} processes that share a model; use "
            "--sharding ddp"
        )
    if recipe.inference.crop is not None:
        raise InputError(
            "images of different sizes have different numbers of windows, for which processes that share a model would "
            "wait for each other; leave --inference.crop out, or use --sharding ddp"
        )


def _require_memory(recipe: SegmentationRecipe, crop: tuple[int, int], num_classes: int, processes: Processes) -> None:
    """Raises InputError where a step cannot fit: its images, and of both heads the logits at the size of the labels,
    their logarithms and their gradient, are more than there is memory."""
    images = recipe.loop.batch_of_process(processes.count)
    needed = images * crop[0] * crop[1] * 4 * (3 + 2 * 3 * num_classes)
    there = _memory(processes.device)
    if there is not None and needed > there:
        raise InputError(
            f"crops of {crop[0]} x {crop[1]} pixels, {images} at once, with {num_classes} classes take more than "
            f"{needed / 2**30:.0f} GiB, and there are {there / 2**30:.0f}; lower --augmentation.crop-size or "
            "--batch-size, or raise --accumulate"
        )


def _memory(device: torch.device) -> int | None:
    """Bytes of the device; None where they are not known."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None
