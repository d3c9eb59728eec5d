from dataclasses import replace

import pytest

from swinkit.backbone.variants import SWIN_B_384
from swinkit.classification.data.augmentation import TrainAugmentation
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.errors import InputError

RECIPE = ClassificationRecipe()


def sizes(recipe: ClassificationRecipe) -> tuple[object, ...]:
    return recipe.backbone.image_size, recipe.augmentation.image_size, recipe.preprocessing.image_size


def test_image_size_goes_everywhere() -> None:
    assert RECIPE.sized() == RECIPE
    recipe = replace(RECIPE, image_size=160).sized()
    assert sizes(recipe) == ((160, 160), 160, 160)
    assert recipe.preprocessing.shorter_side == 182  # int(256 / 224 * 160)
    assert recipe.image_size is None and recipe.sized() == recipe
    squeezed = replace(RECIPE, image_size=160, preprocessing=EvalPreprocessing(224, shorter_side=None))
    assert squeezed.sized().preprocessing.shorter_side is None


def test_a_named_backbone_brings_its_image_size_and_leaves_stochastic_depth() -> None:
    recipe = replace(RECIPE, backbone=replace(RECIPE.backbone, drop_path_rate=0.35)).with_backbone("swin_b_384")
    assert recipe.sized().backbone == replace(SWIN_B_384, drop_path_rate=0.35)
    assert sizes(recipe.sized()) == ((384, 384), 384, 384)
    assert recipe.sized().preprocessing.shorter_side == 438
    assert sizes(replace(recipe, image_size=256).sized()) == ((256, 256), 256, 256)
    with pytest.raises(InputError, match="there is no backbone 'swin_x'"):
        RECIPE.with_backbone("swin_x")
    with pytest.raises(InputError, match="a classifier is a Swin, such as swin_t, not timm:resnet50"):
        RECIPE.with_backbone("timm:resnet50")


@pytest.mark.parametrize(
    "recipe",
    [
        replace(RECIPE, backbone=replace(RECIPE.backbone, image_size=(192, 192))),
        replace(RECIPE, augmentation=TrainAugmentation(192)),
        replace(RECIPE, preprocessing=EvalPreprocessing(192)),
    ],
)
def test_sizes_that_differ(recipe: ClassificationRecipe) -> None:
    with pytest.raises(InputError, match=r"have the image sizes .*192.*; set all of them with --image-size"):
        recipe.sized()


def test_images_that_are_not_square() -> None:
    recipe = replace(
        RECIPE,
        backbone=replace(RECIPE.backbone, image_size=(224, 448)),
        augmentation=TrainAugmentation((224, 448)),
        preprocessing=EvalPreprocessing((224, 448), shorter_side=None),
    )
    assert recipe.sized() == recipe


def test_channels_that_images_do_not_have() -> None:
    with pytest.raises(InputError, match=r"--backbone\.in-channels must be 3, not 4"):
        replace(RECIPE, backbone=replace(RECIPE.backbone, in_channels=4)).sized()
