"""Your own images, from published weights or from scratch."""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone import SWIN_T, SwinConfig
from swinkit.data.augmentation import TrainAugmentation
from swinkit.data.mixing import Mixing
from swinkit.data.preprocessing import published_preprocessing
from swinkit.data.rand_augment import RandAugment
from swinkit.engine.settings import LoopSettings, OptimizerSettings, ScheduleSettings
from swinkit.tasks import ClassificationRecipe


def finetune() -> ClassificationRecipe:
    """Swin-T on your own images in class folders, best from ImageNet weights; defaults for small data.

    Command: swinkit train finetune --data FOLDER --weights swin_tiny_patch4_window7_224
    FOLDER holds a folder of images for each class, or train/ and val/ with those.

    The weights (115 MB) are downloaded once; --weights takes a file, too. Without --weights the model starts from
    scratch, which wants thousands of images, or finetune_small. Other sizes: --variant swin_b --weights
    swin_base_patch4_window7_224, or --variant swin_b_384 --weights swin_base_patch4_window12_384.

    Milder than the ImageNet recipes, for tens to thousands of images a class: weaker RandAugment, larger crops, no
    Mixup, CutMix or random erasing; label smoothing stays. The learning rate is for 32 images an update and does not
    follow --batch-size.

    Hardware: any GPU with 4 GB (--precision bf16 makes it faster), or patience. Time: not measured.
    Expected: depends on the data; no published figure.
    """
    return ClassificationRecipe(
        name="finetune",
        model=replace(SWIN_T, drop_path_rate=0.1),
        augmentation=TrainAugmentation(
            image_size=224,
            scale=(0.35, 1.0),
            rand_augment=RandAugment(num_ops=2, magnitude=5, magnitude_std=0.5),
            erase_probability=0.0,
        ),
        preprocessing=published_preprocessing(224),
        mixing=Mixing(probability=0.0, label_smoothing=0.1),
        optimizer=OptimizerSettings(lr=1e-4, reference_batch=None, weight_decay=0.05),
        schedule=ScheduleSettings(decay="cosine", warmup_epochs=3, warmup_lr=1e-6, min_lr=1e-6),
        loop=LoopSettings(epochs=30, batch_size=32),
    )
