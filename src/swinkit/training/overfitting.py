"""A few images learned by heart: the shortest way to see that data and model fit together.

A model that cannot learn eight images, shown as they are again and again, will not learn eight thousand: boxes or masks
lie elsewhere than the objects, labels are mixed up, objects are too small for the model, or the rate does not fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from swinkit.errors import InputError
from swinkit.training.data.sampling import evenly_spread
from swinkit.training.loop import TrainingSettings
from swinkit.training.settings import LoopSettings, ScheduleSettings

ENOUGH = 0.9
"""The images are learned where each of the task's figures on them is at least this; the run then ends."""
EPOCH_STEPS = 50
"""Of an epoch: a few images would make epochs of a step, with a checkpoint after each."""
EPOCHS = 8
WARMUP_STEPS = 20


def overfitting_settings(settings: TrainingSettings, images: int) -> TrainingSettings:
    """How a recipe learns so many images by heart: 400 steps at its peak rate, which falls along a cosine to 0, or
    fewer where they are learned before.

    The batch is all images, or the recipe's where that is smaller. Raises InputError where `images` is below 1.
    """
    if images < 1:
        raise InputError(f"--overfit {images} leaves nothing to learn; give the number of images, such as 8")
    loop, optimizer = settings.loop, settings.optimizer
    scale = 1.0 if optimizer.reference_batch is None else loop.batch_size / optimizer.reference_batch
    return TrainingSettings(
        replace(
            loop,
            epochs=EPOCHS,
            steps=None,
            patience=None,
            batch_size=min(images, loop.batch_size),
            accumulate=1,
            ema_decay=None,
            evaluate_every=2,
            evaluate_every_steps=None,
            checkpoint_every=None,
            log_every=min(10, loop.log_every),
        ),
        replace(optimizer, lr=optimizer.lr * scale, reference_batch=None),
        ScheduleSettings(decay="cosine", warmup_steps=WARMUP_STEPS, warmup_ratio=1e-2),
    )


def chosen_images(available: int, images: int) -> list[int]:
    """The numbers of the images, evenly over all; raises InputError where there are too few."""
    if images > available:
        raise InputError(f"--overfit {images} asks for more images than the {available} that there are to train on")
    return evenly_spread(available, images)


def repeated(count: int, loop: LoopSettings) -> list[int]:
    """The numbers 0 to count - 1 as often as an epoch shows them."""
    return list(range(count)) * math.ceil(EPOCH_STEPS * loop.batch_size / count)


def describe_fit(images: int, results: Mapping[str, float], shown: Mapping[str, str]) -> str:
    """Whether the images are learned, in a sentence with the figures reached.

    Args:
        images: how many.
        results: the last evaluation, on these images.
        shown: names of the results that count, and what people call them; each is a share, 0..1.
    """
    values = {name: results[name] for name in shown if name in results}
    figures = ", ".join(f"{shown[name]} {100 * value:.1f} %" for name, value in values.items())
    count = "The image is" if images == 1 else f"The {images} images are"
    if values and all(value >= ENOUGH for value in values.values()):
        return f"{count} learned ({figures}): data and model fit together."
    return (
        f"{count} not learned ({figures}; {100 * ENOUGH:.0f} % would do): look at the pictures of the data and of the "
        "predictions, then train longer (--epochs) or at another rate (--optimizer.lr), before you train on all images."
    )
