"""A few images learned by heart: length and rates, which images, and what is said at the end."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torchvision.transforms.v2.functional import pil_to_tensor
from toy_task import ONE

from swinkit.errors import InputError
from swinkit.recipes import RECIPES
from swinkit.training.loop import TrainingSettings
from swinkit.training.overfitting import chosen_images, describe_fit, overfitting_settings, repeated
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings

SHOWN = {"val/box_ap50": "box AP50", "val/mask_ap50": "mask AP50"}


def test_length_batch_and_rates() -> None:
    loop = LoopSettings(epochs=300, batch_size=1024, accumulate=4, ema_decay=0.9, clip_grad=5.0, seed=3)
    told = TrainingSettings(loop, OptimizerSettings(lr=5e-4), ScheduleSettings(warmup_epochs=20))
    settings = overfitting_settings(told, 8)
    assert (settings.loop.epochs, settings.loop.steps, settings.loop.batch_size) == (8, None, 8)
    assert (settings.loop.accumulate, settings.loop.ema_decay) == (1, None)
    assert (settings.loop.clip_grad, settings.loop.seed) == (5.0, 3)
    assert (settings.optimizer.lr, settings.optimizer.reference_batch) == (1e-3, None)
    assert (settings.schedule.decay, settings.schedule.min_lr, settings.schedule.warmup_steps) == ("cosine", 0, 20)
    assert overfitting_settings(told, 5000).loop.batch_size == 1024
    with pytest.raises(InputError, match="--overfit 0 leaves nothing to learn"):
        overfitting_settings(told, 0)


def test_images_are_spread_over_all_and_shown_in_epochs_of_fifty_steps() -> None:
    assert chosen_images(100, 4) == [0, 33, 66, 99]
    with pytest.raises(InputError, match="more images than the 3 that there are"):
        chosen_images(3, 4)
    numbers = repeated(8, LoopSettings(batch_size=4))
    assert len(numbers) // 4 == 50 and set(numbers) == set(range(8))


@pytest.mark.parametrize(
    ("images", "results", "sentence"),
    [
        (8, {"val/box_ap50": 0.99, "val/mask_ap50": 0.9, "val/box_ap": 0.2}, "The 8 images are learned (box AP50 99.0"),
        (1, {"val/box_ap50": 0.95}, "The image is learned (box AP50 95.0 %): data and model fit together."),
        (
            8,
            {"val/box_ap50": 0.99, "val/mask_ap50": 0.87},
            "not learned (box AP50 99.0 %, mask AP50 87.0 %; 90 % would",
        ),
        (8, {"val/box_ap50": float("nan")}, "The 8 images are not learned (box AP50 nan %"),
        (8, {}, "not learned"),
    ],
)
def test_the_sentence_at_the_end(images: int, results: dict[str, float], sentence: str) -> None:
    assert sentence in describe_fit(images, results, SHOWN)


def test_segmentation_takes_longer_in_smaller_batches() -> None:
    recipe: Any = RECIPES["finetune_segmentation_small"]().overfitting(8)
    assert (recipe.loop.epochs, recipe.loop.batch_size) == (48, 4)
    assert RECIPES["finetune_segmentation_small"]().overfitting(3).loop.batch_size == 3  # batch norm needs some


@pytest.mark.parametrize("name", ["digits", "digit_scenes_segmentation", "digit_scenes_detection"])
def test_images_are_trained_on_as_they_are_validated(name: str) -> None:
    """The same few, of the training data, without a random draw: in any epoch a batch holds nothing else."""
    task: Any = RECIPES[name]().overfitting(4).build(ONE)
    data = task.validation.data if name == "digit_scenes_segmentation" else task.evaluation.data
    assert task.images == (4, 4) and len(data) == 4
    assert all(model_part.p == 0 for model_part in task.modules() if isinstance(model_part, torch.nn.Dropout))
    view = [pil_to_tensor(data[index][0]).float() for index in range(4)]
    shown = [task.normalise(image) for image in view] if name == "digits" else view
    task.batches.workers = 0
    batches = itertools.islice(task.batches.batches(0, 12), 12)
    seen = [image.float() for batch in batches for image in batch[0]]
    assert len(seen) == 12 * task.batches.batch_size
    matches = [[torch.allclose(image, other, atol=1e-5) for other in shown] for image in seen]
    assert all(sum(row) == 1 for row in matches)
    assert all(any(column) for column in zip(*matches, strict=True))
