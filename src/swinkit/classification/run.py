"""A classification recipe, run: data, model, training, pictures."""

from __future__ import annotations

import functools
import logging
from dataclasses import asdict
from pathlib import Path

from swinkit.classification.class_map import read_class_map
from swinkit.classification.data.augmentation import train_transform
from swinkit.classification.data.preprocessing import eval_transform
from swinkit.classification.data.samples import ClassificationData
from swinkit.classification.data.sources import open_classification_data
from swinkit.classification.model import SwinClassifier
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.classification.results import PICTURES, draw_pictures
from swinkit.classification.task import ClassificationTask, EvaluationBatches
from swinkit.errors import InputError
from swinkit.images.digits import open_digits
from swinkit.training.data.batches import EpochBatches
from swinkit.training.data.sampling import TrainSampler
from swinkit.training.data.seeding import SeededView
from swinkit.training.processes import Processes
from swinkit.training.run import Prepared, Run, run_recipe
from swinkit.training.run_facts import plain
from swinkit.weights.load import load_weights

_log = logging.getLogger(__name__)


def train_classifier(recipe: ClassificationRecipe, run_dir: Path | None = None) -> Run:
    """Train a classifier, or go on with the run that the same call began before.

    Args:
        recipe: what to do.
        run_dir: the run's folder; None is runs/NAME in the current folder.

    Raises:
        InputError: where data, weights, recipe or folder cannot be used, or a loss is not finite.
    """
    recipe = recipe.resolved()
    return run_recipe(recipe, run_dir, functools.partial(_prepare, recipe), pictures=PICTURES)


def _prepare(recipe: ClassificationRecipe, processes: Processes) -> Prepared:
    data = open_data(recipe)
    return Prepared(
        batches=_training_batches(recipe, data[0], processes),
        task=_build_task(recipe, data[1], processes),
        images=(len(data[0]), len(data[1])),
        classes=data[0].classes,
        draw=lambda run: draw_pictures(run, data[1], device=processes.device, workers=recipe.loop.workers),
    )


def open_data(recipe: ClassificationRecipe) -> tuple[ClassificationData, ClassificationData]:
    """Training and validation images of a recipe; raises InputError where they cannot be used."""
    if recipe.dataset == "digits":
        return open_digits(validation_fraction=recipe.validation_fraction)
    if recipe.data is None:
        raise InputError(f"the recipe {recipe.name} needs images; say where they are with --data DIR")
    return open_classification_data(
        recipe.data, on_corrupt=recipe.on_corrupt, validation_fraction=recipe.validation_fraction
    )


def _training_batches(recipe: ClassificationRecipe, data: ClassificationData, processes: Processes) -> EpochBatches:
    loop = recipe.loop
    sampler = TrainSampler(
        len(data),
        batch_size=loop.batch_size,
        seed=loop.seed,
        rank=processes.rank,
        world_size=processes.count,
        accumulation=loop.accumulate,
    )
    view = SeededView(data, train_transform(recipe.augmentation), seed=loop.seed)
    return EpochBatches(view, sampler, workers=loop.workers, pin_memory=processes.device.type == "cuda")


def _build_task(
    recipe: ClassificationRecipe, validation: ClassificationData, processes: Processes
) -> ClassificationTask:
    classes = validation.classes
    model = SwinClassifier(
        recipe.model, num_classes=len(classes), checkpoint_activations=recipe.loop.checkpoint_activations
    )
    if recipe.weights is not None:
        class_map = None if recipe.class_map is None else read_class_map(recipe.class_map)
        report = load_weights(model, recipe.weights, replace_head=True, class_map=class_map, adapt_channels=True)
        _log.info("%s: %s", recipe.weights, report)
    if recipe.loop.sharding == "fsdp" and len(validation) < processes.count:
        raise InputError(
            f"{len(validation)} validation images are too few for {processes.count} processes that share a model; use "
            "--sharding ddp"
        )
    view = SeededView(validation, eval_transform(recipe.preprocessing), seed=recipe.loop.seed)
    evaluation = EvaluationBatches(
        view,
        num_classes=len(classes),
        # With one image a batch, processes that share a model could have unequally many, and wait for each other.
        batch_size=max(2, recipe.loop.batch_of_process(processes.count)),
        workers=recipe.loop.workers,
        processes=processes,
    )
    description = model.description() | {
        "classes": list(classes),
        "preprocessing": asdict(recipe.preprocessing),
        "recipe": plain(recipe),
    }
    return ClassificationTask(model, mixing=recipe.mixing, evaluation=evaluation, description=description)
