"""Everything that decides a classification run, as one value."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from PIL import Image
from torch import Tensor

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.table import check_rgb, named_backbone
from swinkit.backbone.variants import SWIN_T
from swinkit.classification.class_map import read_class_map
from swinkit.classification.data.augmentation import (
    SmallImageAugmentation,
    StillTransform,
    TrainAugmentation,
    train_transform,
)
from swinkit.classification.data.mixing import Mixing
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.data.samples import ClassificationData
from swinkit.classification.data.training_data import open_training_data
from swinkit.classification.evaluation_images import EvaluationImages
from swinkit.classification.model import SwinClassifier
from swinkit.classification.task import ClassificationTask
from swinkit.errors import InputError
from swinkit.images.digits import open_digits
from swinkit.serialization import to_plain
from swinkit.training.class_weights import ClassWeights, weights_of_classes
from swinkit.training.data.batches import EpochBatches
from swinkit.training.data.sampling import BalancedSampler, TrainSampler
from swinkit.training.data.seeding import SeededView
from swinkit.training.loop import TrainingSettings
from swinkit.training.overfitting import chosen_images, overfitting_settings, repeated
from swinkit.training.processes import Processes
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.training.starting_point import remarks_without_weights
from swinkit.weights.load import load_weights

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassificationRecipe:
    """A classification run; the defaults are the published ImageNet-1K recipe of Swin-T, save stochastic depth."""

    name: Annotated[str, tyro.conf.Suppress] = "classification"
    """What the run is called; its folder is runs/NAME unless told otherwise."""
    data: Path | None = None
    """Folder with the images: a folder for each class (in train/ and val/, or split by swinkit), the official zip and
    map files, or the ImageNet-22K lists."""
    dataset: Literal["folder", "digits"] = "folder"
    """"folder" reads `data`; "digits" takes scikit-learn's handwritten digits, which need none."""
    validation_fraction: float = 0.2
    """Share of each class held out for validation where the data has no validation part, 0..1."""
    on_corrupt: Literal["stop", "skip"] = "stop"
    """What to do with an image that cannot be read: stop the run, or report it and take the next one."""
    image_size: int | None = None
    """Train and evaluate at another image size, in pixels, than the recipe's."""
    weights: str | None = None
    """Weights to start from: a file, a name that `swinkit models` lists, an address, or hf-hub:owner/name. The head is
    new where the classes differ in number."""
    class_map: Path | None = None
    """Text file with one number a line: the rows of the weights' head to start from (ImageNet-22K to 1K)."""
    usual_weights: Annotated[str | None, tyro.conf.Suppress] = None
    """Published weights that the recipe is made for, without which a run says what that costs."""
    class_weights: ClassWeights | None = None
    """What images of each class weigh in the loss, one number a class in the order of their names, or "balanced", which
    makes all classes count the same however many images they have."""
    sampling: Literal["balanced"] | None = None
    """"balanced" shows every class equally often; an epoch stays as long. None shows every image once an epoch."""
    overfit: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Learn N images by heart, without augmentation, and validate on the same: the shortest way to see that data and
    model fit together. Changes batch, length and rates, see `overfitting`; other options come on top."""
    backbone: SwinConfig = SWIN_T
    """The architecture."""
    augmentation: TrainAugmentation | SmallImageAugmentation = field(default_factory=TrainAugmentation)
    preprocessing: EvalPreprocessing = field(default_factory=EvalPreprocessing)
    mixing: Mixing = field(default_factory=Mixing)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(
        default_factory=lambda: ScheduleSettings(warmup_epochs=20, warmup_lr=5e-7, min_lr=5e-6)
    )
    loop: Annotated[LoopSettings, tyro.conf.arg(name="")] = field(default_factory=LoopSettings)

    def build(self, processes: Processes) -> ClassificationTask:
        """Open the data and build the task; random weights are drawn from torch's global generator.

        Raises InputError where data, weights or values cannot be used.
        """
        recipe = self.sized()
        training, validation = _open_data(recipe)
        if recipe.overfit is not None:
            training = validation = training.subset(chosen_images(len(training), recipe.overfit))
        batches = _training_batches(recipe, training, processes)
        weights = _class_weights(recipe, training)
        model = _build_model(recipe, num_classes=len(validation.classes))
        return ClassificationTask(
            model,
            mixing=recipe.mixing,
            evaluation=_evaluation_images(recipe, validation, processes),
            batches=batches,
            images=(len(training), len(validation)),
            description=model.description()
            | {
                "classes": list(training.classes),
                "preprocessing": to_plain(recipe.preprocessing),
                "recipe": to_plain(recipe),
            },
            class_weights=weights,
        )

    def overfitting(self, images: int) -> ClassificationRecipe:
        """The same recipe for learning so many images by heart: images as in validation, no mixing, class weights
        or stochastic depth, and length, batch and rates as in `swinkit.training.overfitting`.

        Raises InputError where `images` is below 1.
        """
        settings = overfitting_settings(TrainingSettings(self.loop, self.optimizer, self.schedule), images)
        return replace(
            self,
            overfit=images,
            class_weights=None,
            sampling=None,
            backbone=self.backbone.without_dropout(),
            mixing=Mixing(probability=0.0, label_smoothing=0.0),
            optimizer=settings.optimizer,
            schedule=settings.schedule,
            loop=settings.loop,
        )

    def sized(self) -> ClassificationRecipe:
        """The same recipe with `image_size` put where it belongs.

        Raises InputError where backbone, augmentation and preprocessing are left with different sizes.
        """
        recipe = self if self.image_size is None else self._resized(self.image_size)
        sizes = (recipe.backbone.image_size, recipe.augmentation.image_size, recipe.preprocessing.image_size)
        check_rgb(recipe.backbone)
        if len({_pair(size) for size in sizes}) != 1:
            raise InputError(
                f"backbone, augmentation and preprocessing have the image sizes {sizes}; set all of them with "
                "--image-size"
            )
        return recipe

    def with_backbone(self, name: str) -> ClassificationRecipe:
        """The same recipe for a published architecture, such as swin_b_384, at its image size; stochastic depth stays.

        Raises InputError where there is none of this name.
        """
        backbone = named_backbone(name, self.backbone)
        if not isinstance(backbone, SwinConfig):
            raise InputError(f"a classifier is a Swin, such as swin_t, not {name}")
        return replace(self, backbone=backbone, image_size=max(backbone.image_size))

    def _resized(self, size: int) -> ClassificationRecipe:
        """For images of `size` pixels; the ratio of resizing and cropping stays."""
        before = max(_pair(self.preprocessing.image_size))
        shorter = self.preprocessing.shorter_side
        shorter = None if shorter is None else int(shorter / before * size)
        return replace(
            self,
            image_size=None,
            backbone=replace(self.backbone, image_size=(size, size)),
            augmentation=replace(self.augmentation, image_size=size),
            preprocessing=replace(self.preprocessing, image_size=size, shorter_side=shorter),
        )


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _open_data(recipe: ClassificationRecipe) -> tuple[ClassificationData, ClassificationData]:
    """Training and validation images."""
    if recipe.dataset == "digits":
        return open_digits(validation_fraction=recipe.validation_fraction)
    if recipe.data is None:
        raise InputError(f"the recipe {recipe.name} needs images; say where they are with --data DIR")
    splits, said = open_training_data(
        recipe.data, on_corrupt=recipe.on_corrupt, validation_fraction=recipe.validation_fraction
    )
    for line in said:
        _log.warning("%s", line)
    return splits


def _training_batches(recipe: ClassificationRecipe, data: ClassificationData, processes: Processes) -> EpochBatches:
    loop = recipe.loop
    transform: Callable[[Image.Image], Tensor] = train_transform(recipe.augmentation)
    if recipe.overfit is not None:
        data, transform = data.subset(repeated(len(data), loop)), StillTransform(recipe.preprocessing)
    batch_size, seed, accumulation = loop.batch_size, loop.seed, loop.accumulate
    rank, count = processes.rank, processes.count
    sampler: TrainSampler
    if recipe.sampling == "balanced":
        sampler = BalancedSampler(
            data.labels, batch_size=batch_size, seed=seed, rank=rank, world_size=count, accumulation=accumulation
        )
    else:
        sampler = TrainSampler(
            len(data), batch_size=batch_size, seed=seed, rank=rank, world_size=count, accumulation=accumulation
        )
    view = SeededView(data, transform, seed=loop.seed)
    return EpochBatches(view, sampler, workers=loop.workers, pin_memory=processes.device.type == "cuda")


def _class_weights(recipe: ClassificationRecipe, data: ClassificationData) -> Tensor | None:
    """(K,), or None where all classes weigh the same."""
    if recipe.class_weights is None:
        return None
    if recipe.class_weights == "balanced" and recipe.sampling == "balanced":
        raise InputError(
            "--class-weights balanced and --sampling balanced together would make rare classes count twice; take one"
        )
    counts = np.bincount(data.labels, minlength=len(data.classes))
    return weights_of_classes(recipe.class_weights, counts.tolist())


def _build_model(recipe: ClassificationRecipe, *, num_classes: int) -> SwinClassifier:
    """The classifier with the weights that the run starts from."""
    checkpoint_activations = recipe.loop.checkpoint_activations
    model = SwinClassifier(recipe.backbone, num_classes=num_classes, checkpoint_activations=checkpoint_activations)
    if recipe.weights is not None:
        class_map = None if recipe.class_map is None else read_class_map(recipe.class_map)
        report = load_weights(model, recipe.weights, replace_head=True, class_map=class_map, adapt_channels=True)
        _log.info("%s: %s", recipe.weights, report)
    for line in remarks_without_weights(recipe):
        _log.info("%s", line)
    return model


def _evaluation_images(
    recipe: ClassificationRecipe, data: ClassificationData, processes: Processes
) -> EvaluationImages:
    processes.require_even(len(data), sharding=recipe.loop.sharding)
    return EvaluationImages(
        data,
        recipe.preprocessing,
        # With one image a batch, processes that share a model could have unequally many, and wait for each other.
        batch_size=max(2, recipe.loop.batch_of_process(processes.count)),
        workers=recipe.loop.workers,
        processes=processes,
    )
