from dataclasses import replace

import pytest

from swinkit.backbone.variants import SWIN_B_384, SWIN_S
from swinkit.classification.data.augmentation import TrainAugmentation
from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.errors import InputError

RECIPE = ClassificationRecipe()


def sizes(recipe: ClassificationRecipe) -> tuple[object, ...]:
    return recipe.model.image_size, recipe.augmentation.image_size, recipe.preprocessing.image_size


def test_without_wishes_nothing_changes() -> None:
    assert RECIPE.resolved() == RECIPE


def test_image_size_goes_everywhere() -> None:
    recipe = replace(RECIPE, image_size=160).resolved()
    assert sizes(recipe) == ((160, 160), 160, 160)
    assert recipe.preprocessing.shorter_side == 182  # int(256 / 224 * 160)
    assert recipe.image_size is None and recipe.resolved() == recipe
    squeezed = replace(RECIPE, image_size=160, preprocessing=EvalPreprocessing(224, shorter_side=None))
    assert squeezed.resolved().preprocessing.shorter_side is None


def test_variant_brings_its_image_size_and_leaves_stochastic_depth() -> None:
    recipe = replace(RECIPE, model=replace(RECIPE.model, drop_path_rate=0.35), variant="swin_b_384").resolved()
    assert recipe.model == replace(SWIN_B_384, drop_path_rate=0.35)
    assert sizes(recipe) == ((384, 384), 384, 384)
    assert recipe.preprocessing.shorter_side == 438
    assert recipe.variant is None and recipe.resolved() == recipe


def test_variant_at_another_size() -> None:
    recipe = replace(RECIPE, variant="swin_s", image_size=256).resolved()
    assert recipe.model == replace(SWIN_S, image_size=(256, 256))
    assert sizes(recipe) == ((256, 256), 256, 256)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(RECIPE, model=replace(RECIPE.model, image_size=(192, 192))),
        replace(RECIPE, augmentation=TrainAugmentation(192)),
        replace(RECIPE, preprocessing=EvalPreprocessing(192)),
    ],
)
def test_sizes_that_differ(recipe: ClassificationRecipe) -> None:
    with pytest.raises(InputError, match=r"have the image sizes .*192.*; set all of them with --image-size"):
        recipe.resolved()


def test_images_that_are_not_square() -> None:
    recipe = replace(
        RECIPE,
        model=replace(RECIPE.model, image_size=(224, 448)),
        augmentation=TrainAugmentation((224, 448)),
        preprocessing=EvalPreprocessing((224, 448), shorter_side=None),
    )
    assert recipe.resolved() == recipe


def test_channels_that_images_do_not_have() -> None:
    with pytest.raises(InputError, match=r"--model\.in-channels must be 3, not 4"):
        replace(RECIPE, model=replace(RECIPE.model, in_channels=4)).resolved()
