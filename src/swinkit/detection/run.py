"""A detection recipe, run: data, model, training, pictures."""

from __future__ import annotations

import functools
import logging
from dataclasses import asdict
from pathlib import Path

from torch import nn

from swinkit.backbone.swin import SwinTransformer
from swinkit.backbone.timm import TimmFeatures
from swinkit.detection.data.aspect_sampling import AspectRatioSampler
from swinkit.detection.data.augmentation import detection_transform
from swinkit.detection.data.check import require_sound
from swinkit.detection.data.samples import DetectionData, collate_detection
from swinkit.detection.data.scenes import open_detection_scenes
from swinkit.detection.data.sources import open_detection_data
from swinkit.detection.model import RCNN
from swinkit.detection.recipe import DetectionRecipe
from swinkit.detection.results import PICTURES, draw_pictures
from swinkit.detection.task import DetectionEvaluationImages, DetectionTask
from swinkit.errors import InputError
from swinkit.training.data.batches import EpochBatches
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.processes import Processes
from swinkit.training.run import Prepared, Run, run_recipe
from swinkit.training.run_facts import plain
from swinkit.weights.starting_weights import load_starting_weights

_log = logging.getLogger(__name__)


def train_detector(recipe: DetectionRecipe, run_dir: Path | None = None) -> Run:
    """Train a detector, or go on with the run that the same call began before.

    Args:
        recipe: what to do.
        run_dir: the run's folder; None is runs/NAME in the current folder.

    Raises:
        InputError: where data, weights, recipe or folder cannot be used, or a loss is not finite.
    """
    recipe = recipe.resolved()
    return run_recipe(recipe, run_dir, functools.partial(_prepare, recipe), pictures=PICTURES)


def _prepare(recipe: DetectionRecipe, processes: Processes) -> Prepared:
    data = open_data(recipe)
    return Prepared(
        batches=_training_batches(recipe, data[0], processes),
        task=_build_task(recipe, data, processes),
        images=(len(data[0]), len(data[1])),
        classes=data[0].classes,
        draw=lambda run: draw_pictures(run, data, device=processes.device, workers=recipe.loop.workers),
    )


def open_data(recipe: DetectionRecipe) -> tuple[DetectionData, DetectionData]:
    """Training and validation images of a recipe; raises InputError where they cannot be used."""
    if recipe.dataset == "digit_scenes":
        return open_detection_scenes(recipe.scenes)
    if recipe.data is None:
        raise InputError(f"the recipe {recipe.name} needs images with objects; say where they are with --data DIR")
    train_part, val_part = open_detection_data(
        recipe.data, image_root=recipe.images, masks=recipe.masks, validation_fraction=recipe.validation_fraction
    )
    for part in (train_part, val_part):
        require_sound(part)
    return (train_part.with_objects() if recipe.skip_empty else train_part), val_part


def _training_batches(recipe: DetectionRecipe, data: DetectionData, processes: Processes) -> EpochBatches:
    loop = recipe.loop
    sampler = AspectRatioSampler(
        data.sizes,
        batch_size=loop.batch_size,
        seed=loop.seed,
        rank=processes.rank,
        world_size=processes.count,
        accumulation=loop.accumulate,
    )
    view = SeededSamples(data, detection_transform(recipe.augmentation), seed=loop.seed)
    pin = processes.device.type == "cuda"
    return EpochBatches(view, sampler, workers=loop.workers, pin_memory=pin, collate=collate_detection)


def _build_task(
    recipe: DetectionRecipe, data: tuple[DetectionData, DetectionData], processes: Processes
) -> DetectionTask:
    classes, has_masks = data[0].classes, data[0].has_masks and recipe.masks is not False
    model = RCNN(_backbone(recipe), recipe.detector, num_classes=len(classes), has_masks=has_masks)
    if recipe.weights is not None and not (recipe.timm_backbone and recipe.weights == "timm"):
        _log.info("%s: %s", recipe.weights, load_starting_weights(model, recipe.weights))
    description = model.description() | {
        "classes": list(classes),
        "resize": asdict(recipe.resize),
        "recipe": plain(recipe),
    }
    if processes.count > 1 and processes.device.type == "cuda":  # there is no SyncBN of CPU processes
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if recipe.loop.sharding == "fsdp" and len(data[1]) < processes.count:
        raise InputError(
            f"{len(data[1])} validation images are too few for {processes.count} processes that share a model; use "
            "--sharding ddp"
        )
    evaluation = DetectionEvaluationImages(data[1], recipe.resize, workers=recipe.loop.workers, processes=processes)
    return DetectionTask(model, evaluation=evaluation, description=description)


def _backbone(recipe: DetectionRecipe) -> SwinTransformer | TimmFeatures:
    if recipe.timm_backbone is not None:
        return TimmFeatures(recipe.timm_backbone, pretrained=recipe.weights == "timm")
    return SwinTransformer(recipe.model, checkpoint_activations=recipe.loop.checkpoint_activations)
