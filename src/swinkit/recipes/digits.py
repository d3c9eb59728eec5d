"""scikit-learn's handwritten digits: the first thing to try, without any download."""

from __future__ import annotations

from swinkit.backbone.swin import SwinConfig
from swinkit.classification.data.augmentation import SmallImageAugmentation
from swinkit.classification.data.mixing import Mixing
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.recipes.recipe import recipe
from swinkit.training.settings import LoopSettings, OptimizerSettings, ScheduleSettings


@recipe
def digits() -> ClassificationRecipe:
    """A small Swin on scikit-learn's handwritten digits, without any download: 99 % top-1 in about a minute.

    1797 real 8 x 8 images of ten classes, a fifth held out, shown at 16 x 16: a patch of 4 pixels covers 2 x 2 of the
    source.

    Command: swinkit train digits
    Hardware: one CPU core. Time: 40 s.
    Expected: 99.2 to 99.7 % validation top-1 (seeds 0, 1, 2).
    """
    return ClassificationRecipe(
        dataset="digits",
        backbone=SwinConfig(
            embed_dim=32, depths=(2, 2), num_heads=(2, 4), window_size=4, image_size=(16, 16), patch_size=4
        ),
        augmentation=SmallImageAugmentation(image_size=16, shift=1.0, rotation=10.0, zoom=0.1),
        preprocessing=EvalPreprocessing(16, shorter_side=None),
        mixing=Mixing(probability=0.0, label_smoothing=0.1),
        optimizer=OptimizerSettings(lr=2e-3, reference_batch=None, weight_decay=0.05),
        schedule=ScheduleSettings(decay="cosine", warmup_epochs=2, warmup_lr=1e-6),
        loop=LoopSettings(epochs=80, batch_size=64, evaluate_every=4, workers=0, threads=1),
    )
