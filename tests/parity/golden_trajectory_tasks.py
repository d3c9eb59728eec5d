"""The three tasks of trajectory files: from what a file holds to a `StoredRun`, and what only one kind stores.

Shapes: B images, C channels, H W image, K classes; U stored updates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from golden_atss import build_atss
from golden_comparison import Comparison, compare_values
from golden_detection import build_rcnn, class_accuracies, official_names
from golden_file import Golden
from golden_models import CLASSIFICATION, compare_buffers, constructor_arguments, load, swin_config
from golden_segmentation import build_upernet, pixel_accuracy
from golden_sparse_rcnn import build_sparse_rcnn
from golden_trajectory import LOSSES, NotEvaluated, StoredRun, compare_run, official_values, retrace
from torch import Tensor, nn

from swinkit import InputError, SwinClassifier
from swinkit.classification.data.preprocessing import published_preprocessing
from swinkit.classification.task import ClassificationTask
from swinkit.detection.detector import DetectorModel
from swinkit.detection.rcnn import RCNN
from swinkit.detection.task import DetectionTask
from swinkit.layers.pixels import pad_batch
from swinkit.ops.window_attention import AttentionBackend
from swinkit.recipes.official_training import ClassificationTraining, DenseTraining
from swinkit.segmentation.data.augmentation import SegmentationBatch
from swinkit.segmentation.task import SegmentationTask
from swinkit.structures import Instances
from swinkit.training.loop import TrainingSettings

DETECTORS: dict[str, Callable[[dict[str, Any], AttentionBackend], DetectorModel]] = {
    "MaskRCNN": build_rcnn,
    "FasterRCNN": build_rcnn,
    "CascadeRCNN": build_rcnn,
    "ATSS": build_atss,
    "SparseRCNN": build_sparse_rcnn,
}
KEYS = {"DATA.BATCH_SIZE": "batch_size", "AMP_ENABLE": "amp_enable", "MODEL.LABEL_SMOOTHING": "label_smoothing"}
KEYS |= {"AUG.MIXUP": "mixup", "AUG.CUTMIX": "cutmix"}
"""Of config.py, to fields of `ClassificationTraining`; those below TRAIN are named alike."""
NEUTRAL = {"TRAIN.START_EPOCH", "TRAIN.AUTO_RESUME", "TRAIN.USE_CHECKPOINT"}
"""What changes no number of a run that is made in one go."""


class _Classification(NotEvaluated, ClassificationTask):
    pass


class _Detection(NotEvaluated, DetectionTask):
    pass


class _Segmentation(NotEvaluated, SegmentationTask):
    pass


def check_trajectory(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    """The run of any task, told by the config."""
    if "decode_head" in golden.config:
        return _check_segmentation(golden, backend)
    if golden.config.get("type") in DETECTORS:
        return _check_detection(golden, backend)
    return _check_classification(golden, backend)


def _check_classification(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    arguments = constructor_arguments(golden.config, CLASSIFICATION)
    model = SwinClassifier(
        swin_config(arguments, arguments["img_size"]),
        num_classes=int(arguments["num_classes"]),
        attention_backend=backend,
        checkpoint_activations=bool(arguments["use_checkpoint"]),
    )
    lines = load(model, golden) + compare_buffers(model, golden)
    recipe, official = golden.json("recipe", dict), golden.json("official", dict)
    training = ClassificationTraining(**official_values(ClassificationTraining, _renamed(official)))
    loss = recipe["loss"]
    smoothing = 0.0 if loss["type"] == "CrossEntropyLoss" else loss.get("smoothing", training.label_smoothing)
    training = replace(training, label_smoothing=smoothing)
    task = _Classification(
        model,
        mixing=replace(training.mixing(), probability=0.0),  # what the file has is mixed, or was not to be
        evaluation=SimpleNamespace(preprocessing=published_preprocessing(224)),  # type: ignore[arg-type]
        batches=None,  # type: ignore[arg-type]  # `retrace` gives them
        images=(0, 0),
        description={},
    )
    used = _micro_steps(golden, recipe)
    batches = [[_micro_batch(golden, number) for number in numbers] for numbers in used]
    settings = training.settings(processes=int(recipe.get("world_size", 1)))
    run = StoredRun(task, batches, settings, int(recipe["updates_per_epoch"]), int(recipe["micro_steps_per_epoch"]))
    record = retrace(run)
    return lines + compare_run(golden, run, record) + _compare_micro_losses(golden, record.micro_losses, used)


def _renamed(official: dict[str, Any]) -> dict[str, Any]:
    """What config.py says of training, by the names of `ClassificationTraining`; the rest is the model's."""
    values = {KEYS[key]: value for key, value in official.items() if key in KEYS}
    told = {key: value for key, value in official.items() if key.startswith("TRAIN.") and key not in NEUTRAL}
    inside = {key.removeprefix("TRAIN."): value for key, value in told.items()}
    return values | {key.replace(".", "_").lower(): value for key, value in inside.items()}


def _micro_steps(golden: Golden, recipe: dict[str, Any]) -> list[list[int]]:
    """The numbers of each update's micro-steps. The last of an epoch may be left over."""
    parts, each = max(1, int(recipe.get("accumulation_steps", 1))), int(recipe["updates_per_epoch"])
    updates, stored = len(golden.tensor("losses")), len(golden.tensor("micro_losses"))
    of_epoch = each * parts if stored == updates * parts else int(recipe["micro_steps_per_epoch"])
    starts = [update // each * of_epoch + update % each * parts for update in range(updates)]
    return [list(range(start, start + parts)) for start in starts]


def _micro_batch(golden: Golden, number: int) -> tuple[Tensor, Tensor]:
    """Normalised images (B, C, H, W) and targets, (B, K) or (B,)."""
    return golden.tensor(f"micro.{number}.images").float(), golden.tensor(f"micro.{number}.targets")


def _compare_micro_losses(golden: Golden, ours: list[float], used: list[list[int]]) -> list[Comparison]:
    numbers = [number for numbers in used for number in numbers]
    theirs = golden.tensor("micro_losses").double()
    apart = (torch.tensor(ours, dtype=torch.float64) - theirs[numbers]).abs() / theirs[numbers].abs()
    return [Comparison("micro_losses", apart.max().item(), LOSSES, f"{len(numbers)} of {len(theirs)} make updates")]


def _check_detection(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    model = DETECTORS[golden.config["type"]](golden.config, backend)
    lines = load(model, golden) + compare_buffers(model.backbone, golden, prefix="backbone.")  # type: ignore[arg-type]
    task = _Detection(
        model,
        batches=None,  # type: ignore[arg-type]
        data=((), ()),  # type: ignore[arg-type]
        evaluation=None,  # type: ignore[arg-type]
        description={"task": "detection"},
    )
    has_masks = bool(getattr(model, "has_masks", False))
    batches = [[_detection_batch(golden, number, has_masks)] for number in golden.json("recipe", dict)["batches"]]
    named = [name.removeprefix("losses.") for name in golden.stored if name.startswith("losses.")]
    accuracies: list[dict[str, Tensor]] = []

    def look(_: nn.Module, given: tuple[Any, ...], outputs: Any) -> None:
        if isinstance(model, RCNN):
            accuracies.append(class_accuracies(model, outputs, given[2]))

    handle = model.register_forward_hook(look)
    settings, epoch_steps = _dense_settings(golden)
    run = StoredRun(task, batches, settings, epoch_steps, epoch_steps, {name: f"losses.{name}" for name in named})
    record = retrace(run)
    handle.remove()
    record.groups = official_names(record.groups, golden)
    for by_step in (record.rates, record.parameter_norms, record.states):
        by_step[:] = [official_names(values, golden) for values in by_step]
    return lines + compare_run(golden, run, record) + _compare_by_step(golden, accuracies)


def _detection_batch(golden: Golden, number: int, has_masks: bool) -> Any:
    count = sum(name.startswith(f"images.{number}.") for name in golden.stored)
    images, sizes = pad_batch([golden.tensor(f"images.{number}.{image}") for image in range(count)])
    targets = [
        Instances(
            golden.tensor(f"targets.{number}.{image}.boxes"),
            golden.tensor(f"targets.{number}.{image}.labels"),
            golden.tensor(f"targets.{number}.{image}.masks").bool() if has_masks else None,
        )
        for image in range(count)
    ]
    return images, sizes, targets


def _check_segmentation(golden: Golden, backend: AttentionBackend) -> list[Comparison]:
    model, decode, auxiliary = build_upernet(golden.config, backend)
    lines = load(model, golden) + compare_buffers(model.backbone, golden, prefix="backbone.")  # type: ignore[arg-type]
    loss = decode["loss_decode"]
    if loss["loss_weight"] != 1 or loss["avg_non_ignore"]:
        raise InputError("its decode head's loss is weighed, or leaves ignored pixels out, as no recipe does")
    task = _Segmentation(
        model,
        batches=None,  # type: ignore[arg-type]
        train=(),  # type: ignore[arg-type]
        validation=SimpleNamespace(data=()),  # type: ignore[arg-type]
        description={"task": "segmentation"},
        auxiliary_weight=auxiliary["loss_decode"]["loss_weight"],
        class_weights=None if loss["class_weight"] is None else torch.tensor(loss["class_weight"]),
    )
    numbers = golden.json("recipe", dict)["batches"]
    labels = {number: golden.tensor(f"labels.{number}") for number in numbers}
    batches = [[SegmentationBatch(golden.tensor(f"images.{n}"), labels[n].long(), None)] for n in numbers]
    accuracies: list[dict[str, Tensor]] = []

    def look(_: nn.Module, __: Any, outputs: Any) -> None:
        truth = labels[numbers[len(accuracies)]]
        shares = {"decode": pixel_accuracy(outputs.head, truth), "aux": pixel_accuracy(outputs.auxiliary, truth)}
        accuracies.append({f"losses.{head}.acc_seg": share for head, share in shares.items()})

    handle = model.register_forward_hook(look)
    settings, epoch_steps = _dense_settings(golden)
    name = loss["loss_name"]
    losses = {"loss_decode": f"losses.decode.{name}", "loss_auxiliary": f"losses.aux.{name}"}
    run = StoredRun(task, batches, settings, epoch_steps, epoch_steps, losses)
    record = retrace(run)
    handle.remove()
    lines += compare_run(golden, run, record)
    return lines + _compare_by_step(golden, accuracies)


def _dense_settings(golden: Golden) -> tuple[TrainingSettings, int]:
    """How a run of detection or segmentation is trained, and the steps of its epochs."""
    recipe = golden.json("recipe", dict)
    updates = len(golden.tensor("losses"))
    epoch_steps = int(recipe.get("updates_per_epoch") or updates)
    epochs = math.ceil(updates / epoch_steps)
    given = {key: value for key, value in recipe["lr_config"].items() if key != "warmup" and value is not None}
    if recipe["lr_config"].get("warmup") not in ("linear", None):
        raise InputError("its warm-up is not linear, as those of all recipes are")
    if given.pop("warmup_by_epoch", False) or (recipe.get("grad_clip") or {}).get("norm_type", 2) != 2:
        raise InputError("its warm-up counts epochs, or its gradients are clipped by another norm, as in no recipe")
    if recipe["lr_config"].get("warmup") is None:
        given |= {"warmup_iters": 0}
    if isinstance(given.get("step"), int):
        given["step"] = list(range(given["step"], epochs + 1, given["step"]))
    given |= recipe["optimizer"] | {"max_epochs": epochs, "max_iters": recipe.get("max_iters")}
    given |= {"grad_clip": (recipe.get("grad_clip") or {}).get("max_norm")}
    training = DenseTraining(**official_values(DenseTraining, given))
    return training.settings(epoch_steps=epoch_steps), epoch_steps


def _compare_by_step(golden: Golden, values: list[dict[str, Tensor]]) -> list[Comparison]:
    """What the original logs beside the losses: (U,) in the file."""
    lines = []
    for name in values[0] if values else ():
        if name in golden.stored:
            ours = torch.stack([each[name] for each in values])
            lines.append(compare_values(name, ours, golden.stored[name]))
    return lines
