"""A classification recipe, run: data, model, training, pictures."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from swinkit.classification import SwinClassifier
from swinkit.data.augmentation import train_transform
from swinkit.data.classification import ClassificationData
from swinkit.data.classification_sources import open_classification_data
from swinkit.data.digits import open_digits
from swinkit.data.preprocessing import eval_transform
from swinkit.data.sampling import TrainSampler
from swinkit.data.seeding import SeededView
from swinkit.engine.loop import TrainingResult, TrainingSettings, train
from swinkit.engine.processes import Processes, cpu_threads, joined_processes
from swinkit.engine.run_folder import RunFolder, open_run_folder
from swinkit.errors import InputError
from swinkit.tasks.batches import EpochBatches
from swinkit.tasks.class_map import read_class_map
from swinkit.tasks.classification import ClassificationTask, EvaluationBatches
from swinkit.tasks.classification_pictures import draw_pictures, drawn_before
from swinkit.tasks.classification_recipe import ClassificationRecipe
from swinkit.tasks.run_facts import announce, deciding, plain
from swinkit.weights import load_weights

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassificationRun:
    """What `train_classifier` leaves behind."""

    result: TrainingResult
    folder: RunFolder
    pictures: tuple[Path, ...]
    """Learning curves, confusion matrix, sample predictions and a validation image to try; only the first process
    draws them."""


def train_classifier(recipe: ClassificationRecipe, run_dir: Path | None = None) -> ClassificationRun:
    """Train a classifier, or go on with the run that the same call began before.

    Args:
        recipe: what to do.
        run_dir: the run's folder; None is runs/NAME in the current folder.

    Raises:
        InputError: where data, weights, recipe or folder cannot be used, or a loss is not finite.
    """
    recipe = recipe.resolved()
    with cpu_threads(recipe.loop.threads), joined_processes(recipe.loop.device) as processes:
        torch.manual_seed(recipe.loop.seed)
        data = open_data(recipe)
        batches = _training_batches(recipe, data[0], processes)
        task = _build_task(recipe, data[1], processes)
        with processes.first_before_others():
            folder = open_run_folder(run_dir or Path("runs") / recipe.name, deciding(recipe))
        images = (len(data[0]), len(data[1]))
        announce(recipe, task.model, images=images, classes=data[0].classes, root=folder.root, to=processes)
        result = train(
            task, batches, TrainingSettings(recipe.loop, recipe.optimizer, recipe.schedule), folder, processes
        )
    pictures: tuple[Path, ...] = ()
    if processes.is_first:
        pictures = drawn_before(folder) if result.updates_now == 0 else ()
        pictures = pictures or draw_pictures(folder, data[1], device=processes.device, workers=recipe.loop.workers)
    return ClassificationRun(result, folder, pictures)


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
