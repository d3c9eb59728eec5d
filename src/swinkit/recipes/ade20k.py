"""ADE20K with UperNet (paper section 4.3, A2.3, table 3).

A recipe's name says which published form it has: without suffix that of the official code (configs/swin of the
segmentation repository), with `_paper` that of the paper's text where the two differ: stochastic depth. mIoU is of the
validation images at one scale, then at six scales with flip (`swinkit evaluate RUN --mode multi_scale`).
"""

from __future__ import annotations

from dataclasses import replace

from swinkit.backbone.deit import DeiTPyramidConfig
from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.timm import TimmConfig
from swinkit.backbone.variants import SWIN_B, SWIN_L, SWIN_S, SWIN_T
from swinkit.recipes.official_training import DenseTraining
from swinkit.recipes.published import Launch, Published
from swinkit.recipes.recipe import published_recipe
from swinkit.segmentation.data.augmentation import SegmentationAugmentation
from swinkit.segmentation.inference import InferenceSettings
from swinkit.segmentation.model import UperNetConfig
from swinkit.segmentation.recipe import SegmentationRecipe

LAUNCH = Launch(data="ADEChallengeData2016", images=2)

TRAINING = DenseTraining(
    type="AdamW",
    lr=6e-5,
    weight_decay=0.01,
    policy="poly",
    by_epoch=False,
    power=1.0,
    min_lr=0.0,
    warmup_iters=1500,
    warmup_ratio=1e-6,
    max_iters=160_000,
    grad_clip=None,
    batch_size=16,
)


@published_recipe(Published(miou=44.51, miou_multi_scale=45.81, source="official README"), LAUNCH)
def ade20k_swin_t() -> SegmentationRecipe:
    """UperNet with Swin-T on ADE20K at 512, as in the official code.

    160,000 steps, AdamW, linear decay after 1,500 steps of warm-up, in fp32; stochastic depth 0.3, where the paper
    has 0.2. Starts from the ImageNet-1K weights, which are downloaded once; --weights takes a file, too.
    """
    training = TRAINING.settings()
    return SegmentationRecipe(
        reduce_zero_label=True,
        weights="swin_tiny_patch4_window7_224",
        backbone=replace(SWIN_T, drop_path_rate=0.3),
        head=UperNetConfig(
            channels=512, pool_scales=(1, 2, 3, 6), dropout=0.1, auxiliary_channels=256, auxiliary_level=2
        ),
        augmentation=SegmentationAugmentation(
            crop_size=(512, 512),
            resize=(512, 2048),
            ratio=(0.5, 2.0),
            most_of_one_class=0.75,
            horizontal_flip=0.5,
            photometric=True,
        ),
        inference=InferenceSettings(resize=(512, 2048)),
        auxiliary_weight=0.4,
        optimizer=training.optimizer,
        schedule=training.schedule,
        loop=replace(training.loop, evaluate_every_steps=16_000, checkpoint_every=1000, log_every=50),
    )


@published_recipe(Published(miou=47.64, miou_multi_scale=49.47, source="official README"), LAUNCH)
def ade20k_swin_s() -> SegmentationRecipe:
    """UperNet with Swin-S on ADE20K at 512, as in the official code."""
    return replace(
        ade20k_swin_t(),
        weights="swin_small_patch4_window7_224",
        backbone=replace(SWIN_S, drop_path_rate=0.3),
    )


@published_recipe(Published(miou=48.13, miou_multi_scale=49.72, source="official README"), LAUNCH)
def ade20k_swin_b() -> SegmentationRecipe:
    """UperNet with Swin-B, pretrained on ImageNet-1K, on ADE20K at 512, as in the official code; not in the paper."""
    return replace(
        ade20k_swin_t(),
        weights="swin_base_patch4_window7_224",
        backbone=replace(SWIN_B, drop_path_rate=0.3),
    )


@published_recipe(Published(miou=50.04, miou_multi_scale=51.66, source="official README"), LAUNCH)
def ade20k_swin_b_22k() -> SegmentationRecipe:
    """UperNet with Swin-B, pretrained on ImageNet-22K, on ADE20K at 640.

    No configuration was published: all that the paper does not say (A2.3: 640 pixels) is as at 512.
    """
    return _at_640(ade20k_swin_b(), "swin_base_patch4_window7_224_22k")


@published_recipe(Published(miou=52.05, miou_multi_scale=53.53, source="official README"), LAUNCH)
def ade20k_swin_l_22k() -> SegmentationRecipe:
    """UperNet with Swin-L, pretrained on ImageNet-22K, on ADE20K at 640.

    No configuration was published: all that the paper does not say (A2.3: 640 pixels) is as at 512.
    """
    recipe = replace(ade20k_swin_b(), backbone=replace(SWIN_L, drop_path_rate=0.3))
    return _at_640(recipe, "swin_large_patch4_window7_224_22k")


@published_recipe(Published(miou_multi_scale=46.1, source="paper, table 3"), LAUNCH)
def ade20k_swin_t_paper() -> SegmentationRecipe:
    """UperNet with Swin-T on ADE20K at 512, as in the paper's text: stochastic depth 0.2."""
    return _as_in_paper(ade20k_swin_t())


@published_recipe(Published(miou_multi_scale=49.3, source="paper, table 3"), LAUNCH)
def ade20k_swin_s_paper() -> SegmentationRecipe:
    """UperNet with Swin-S on ADE20K at 512, as in the paper's text: stochastic depth 0.2."""
    return _as_in_paper(ade20k_swin_s())


@published_recipe(Published(miou_multi_scale=51.6, source="paper, table 3"), LAUNCH)
def ade20k_swin_b_22k_paper() -> SegmentationRecipe:
    """UperNet with Swin-B from ImageNet-22K on ADE20K at 640, as in the paper's text."""
    return _as_in_paper(ade20k_swin_b_22k())


@published_recipe(Published(miou_multi_scale=53.5, source="paper, table 3"), LAUNCH)
def ade20k_swin_l_22k_paper() -> SegmentationRecipe:
    """UperNet with Swin-L from ImageNet-22K on ADE20K at 640, as in the paper's text."""
    return _as_in_paper(ade20k_swin_l_22k())


@published_recipe(Published(test_score=62.8, source="paper, table 3"), LAUNCH)
def ade20k_swin_l_22k_trainval() -> SegmentationRecipe:
    """UperNet with Swin-L from ImageNet-22K on ADE20K's training and validation images together, for its test server.

    As in the paper's text (A2.3). `swinkit evaluate RUN --data release_test --mode multi_scale` writes what the server
    takes; the validation of the run is on images that it has learned.
    """
    return replace(ade20k_swin_l_22k_paper(), train_on_all=True)


@published_recipe(Published(miou_multi_scale=44.9, source="paper, table 3"), replace(LAUNCH, gpus=4, images=4))
def ade20k_resnet101() -> SegmentationRecipe:
    """UperNet with ResNet-101 on ADE20K at 512, the paper's comparison (table 3).

    Needs timm, whose ResNet-101 and ImageNet weights it starts from. The paper does not say how it was trained; this is
    mmsegmentation's usual 160,000 steps with SGD (0.01, momentum 0.9, weight decay 0.0005, poly 0.9 down to 0.0001).
    """
    sgd = replace(
        TRAINING, type="SGD", lr=0.01, weight_decay=5e-4, momentum=0.9, power=0.9, min_lr=1e-4, warmup_iters=0
    )
    return replace(
        ade20k_swin_t(),
        weights=None,
        backbone=TimmConfig("resnet101", pretrained=True),
        optimizer=sgd.settings().optimizer,
        schedule=sgd.settings().schedule,
    )


@published_recipe(Published(miou_multi_scale=44.0, source="paper, table 3"), LAUNCH)
def ade20k_deit_s() -> SegmentationRecipe:
    """UperNet with DeiT-S and a pyramid of deconvolutions on ADE20K at 512, the paper's comparison (table 3).

    Never released: pyramid and training are inferred (`swinkit.backbone.deit`). Needs timm, whose weights it starts
    from; stochastic depth is Swin-T's of the text, 0.2.
    """
    return replace(ade20k_swin_t(), weights=None, backbone=DeiTPyramidConfig(pretrained=True, drop_path_rate=0.2))


def _at_640(recipe: SegmentationRecipe, weights: str) -> SegmentationRecipe:
    return replace(
        recipe,
        weights=weights,
        augmentation=replace(recipe.augmentation, crop_size=(640, 640), resize=(640, 2560)),
        inference=replace(recipe.inference, resize=(640, 2560)),
    )


def _as_in_paper(recipe: SegmentationRecipe) -> SegmentationRecipe:
    assert isinstance(recipe.backbone, SwinConfig)
    return replace(recipe, backbone=replace(recipe.backbone, drop_path_rate=0.2))
