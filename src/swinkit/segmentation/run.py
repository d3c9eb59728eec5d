"""A segmentation recipe, run: data, model, training, pictures."""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from swinkit.backbone.swin import SwinTransformer
from swinkit.backbone.timm import TimmFeatures
from swinkit.errors import InputError
from swinkit.segmentation.data.augmentation import SegmentationTransform
from swinkit.segmentation.data.check import require_sound
from swinkit.segmentation.data.folders import open_segmentation_folder
from swinkit.segmentation.data.samples import SegmentationData, SegmentationImages
from swinkit.segmentation.data.scenes import open_segmentation_scenes
from swinkit.segmentation.model import UperNet
from swinkit.segmentation.recipe import SegmentationRecipe
from swinkit.segmentation.results import PICTURES, draw_pictures
from swinkit.segmentation.task import SegmentationEvaluationImages, SegmentationTask
from swinkit.training.data.batches import EpochBatches
from swinkit.training.data.sampling import TrainSampler
from swinkit.training.data.seeding import SeededSamples
from swinkit.training.processes import Processes
from swinkit.training.run import Prepared, Run, run_recipe
from swinkit.training.run_facts import plain
from swinkit.weights.starting_weights import load_starting_weights

_log = logging.getLogger(__name__)


def train_segmentor(recipe: SegmentationRecipe, run_dir: Path | None = None) -> Run:
    """Train a segmentor, or go on with the run that the same call began before.

    Args:
        recipe: what to do.
        run_dir: the run's folder; None is runs/NAME in the current folder.

    Raises:
        InputError: where data, weights, recipe or folder cannot be used, or a loss is not finite.
    """
    recipe = recipe.resolved()
    return run_recipe(recipe, run_dir, functools.partial(_prepare, recipe), pictures=PICTURES)


def _prepare(recipe: SegmentationRecipe, processes: Processes) -> Prepared:
    data = open_data(recipe)
    _require_memory(recipe, len(data[0].classes), processes)
    return Prepared(
        batches=_training_batches(recipe, data[0], processes),
        task=_build_task(recipe, data[1], processes),
        images=(len(data[0]), len(data[1])),
        classes=data[0].classes,
        draw=lambda run: draw_pictures(run, data, device=processes.device, workers=recipe.loop.workers),
    )


def open_data(recipe: SegmentationRecipe) -> tuple[SegmentationData, SegmentationData]:
    """Training and validation images of a recipe; raises InputError where they cannot be used."""
    if recipe.dataset == "digit_scenes":
        return open_segmentation_scenes(recipe.scenes)
    if recipe.data is None:
        raise InputError(f"the recipe {recipe.name} needs images with masks; say where they are with --data DIR")
    data: tuple[SegmentationImages, SegmentationImages] = open_segmentation_folder(
        recipe.data,
        classes_file=recipe.classes_file,
        reduce_zero_label=recipe.reduce_zero_label,
        validation_fraction=recipe.validation_fraction,
    )
    for part in data:
        require_sound(part)
    return data


def _training_batches(recipe: SegmentationRecipe, data: SegmentationData, processes: Processes) -> EpochBatches:
    loop = recipe.loop
    sampler = TrainSampler(
        len(data),
        batch_size=loop.batch_size,
        seed=loop.seed,
        rank=processes.rank,
        world_size=processes.count,
        accumulation=loop.accumulate,
    )
    view = SeededSamples(data, SegmentationTransform(recipe.augmentation), seed=loop.seed)
    return EpochBatches(view, sampler, workers=loop.workers, pin_memory=processes.device.type == "cuda")


def _build_task(recipe: SegmentationRecipe, validation: SegmentationData, processes: Processes) -> SegmentationTask:
    model = UperNet(_backbone(recipe), recipe.head, num_classes=len(validation.classes))
    if recipe.weights is not None and not (recipe.timm_backbone and recipe.weights == "timm"):
        _log.info("%s: %s", recipe.weights, load_starting_weights(model, recipe.weights))
    description = model.description() | {
        "classes": list(validation.classes),
        "inference": asdict(recipe.inference),
        "recipe": plain(recipe),
    }
    if processes.count > 1 and processes.device.type == "cuda":  # there is no SyncBN of CPU processes
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    _require_even_evaluation(recipe, len(validation), processes)
    return SegmentationTask(
        model,
        evaluation=SegmentationEvaluationImages(
            validation, recipe.inference, workers=recipe.loop.workers, processes=processes
        ),
        description=description,
        auxiliary_weight=recipe.auxiliary_weight,
        class_weights=_class_weights(recipe, len(validation.classes)),
    )


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


def _backbone(recipe: SegmentationRecipe) -> SwinTransformer | TimmFeatures:
    if recipe.timm_backbone is not None:
        return TimmFeatures(recipe.timm_backbone, pretrained=recipe.weights == "timm")
    return SwinTransformer(recipe.model, checkpoint_activations=recipe.loop.checkpoint_activations)


def _class_weights(recipe: SegmentationRecipe, num_classes: int) -> Tensor | None:
    weights = recipe.class_weights
    if weights is None:
        return None
    if len(weights) != num_classes or min(weights) < 0 or max(weights) <= 0:
        raise InputError(
            f"--class-weights must be {num_classes} numbers from 0 on, not all 0, one for each class; there are "
            f"{len(weights)}"
        )
    return torch.tensor(weights)


def _require_memory(recipe: SegmentationRecipe, num_classes: int, processes: Processes) -> None:
    """Raises InputError where a step cannot fit: its images, and of both heads the logits at the size of the labels,
    their logarithms and their gradient, are more than there is memory."""
    crop = recipe.augmentation.crop_size
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
