"""What every recipe promises: a name, a docstring that says how to use it, and options on the command line."""

import inspect
from dataclasses import replace
from typing import TypeVar

import pytest
import tyro

from swinkit.backbone.swin import SwinConfig
from swinkit.classification.data.augmentation import SmallImageAugmentation
from swinkit.classification.model import SwinClassifier
from swinkit.classification.recipe import ClassificationRecipe
from swinkit.recipes import RECIPES
from swinkit.segmentation.recipe import SegmentationRecipe

ALL = pytest.mark.parametrize("name", RECIPES)


Recipe = TypeVar("Recipe", ClassificationRecipe, SegmentationRecipe)


def from_command_line(recipe: Recipe, *arguments: str) -> Recipe:
    return tyro.cli(type(recipe), default=recipe, args=list(arguments), config=(tyro.conf.AvoidSubcommands,))


@ALL
def test_the_name_is_that_of_the_function(name):
    assert RECIPES[name].__name__ == name
    assert RECIPES[name]().name == name


@ALL
def test_the_docstring_says_command_hardware_time_and_result(name):
    text = inspect.getdoc(RECIPES[name])
    first = text.partition("\n")[0]
    assert len(first) <= 115 and first.endswith(".")
    assert f"swinkit train {name}" in text
    for word in ("Command: ", "Hardware: ", "Time: ", "Expected: "):
        assert text.count(word) == 1, word


@ALL
def test_the_source_is_read_as_it_is_run(name):
    (entry,) = (entry for entry in RECIPES.entries() if entry.name == name)
    assert RECIPES[name].__module__ == entry.module
    assert inspect.getdoc(RECIPES[name]).startswith(f"{entry.summary}\n")
    assert type(RECIPES[name]()).__name__.removesuffix("Recipe").lower() == entry.task


def test_order_and_lookup():
    names = list(RECIPES)
    assert names[:2] == ["finetune", "finetune_small"] and len(names) == len(RECIPES) == len(set(names))
    places = [names.index(name) for name in ("finetune_segmentation", "digits", "imagenet1k_swin_t", "ade20k_swin_t")]
    assert places == sorted(places)
    assert "digits" in RECIPES and "constant_rate" not in RECIPES and "small_detector" not in RECIPES
    with pytest.raises(KeyError):
        RECIPES["constant_rate"]


@ALL
def test_sizes_agree(name):
    recipe = RECIPES[name]()
    assert not isinstance(recipe, ClassificationRecipe) or recipe.sized() == recipe


@ALL
def test_every_recipe_has_a_command_line(name):
    recipe = RECIPES[name]()
    assert from_command_line(recipe) == recipe
    changed = from_command_line(recipe, "--epochs", "3", "--optimizer.lr", "0.25")
    assert (changed.loop.epochs, changed.optimizer.lr) == (3, 0.25)
    if isinstance(recipe.backbone, SwinConfig):
        changed = from_command_line(recipe, "--backbone.drop-path-rate", "0.4")
        assert changed.backbone == replace(recipe.backbone, drop_path_rate=0.4)


@ALL
def test_two_calls_share_nothing_that_can_change(name):
    assert RECIPES[name]() == RECIPES[name]()
    hash(RECIPES[name]())


def test_names_are_unique():
    names = [recipe().name for recipe in RECIPES.values()]
    assert len(set(names)) == len(names)


def test_the_documented_switches_exist():
    recipe = RECIPES["imagenet1k_swin_t"]()
    assert not from_command_line(recipe, "--schedule.no-warmup-prefix").schedule.warmup_prefix
    assert from_command_line(recipe, "--precision", "bf16", "--accumulate", "2").loop.accumulate == 2
    changed = from_command_line(recipe, "--checkpoint-activations", "--sharding", "fsdp", "--class-map", "map.txt")
    assert changed.loop.checkpoint_activations and changed.loop.sharding == "fsdp"
    assert str(changed.class_map) == "map.txt"
    paper = RECIPES["imagenet1k_swin_t_paper"]()
    assert from_command_line(paper, "--schedule.warmup-prefix").schedule.warmup_prefix


@pytest.mark.parametrize(("variant", "size"), [("swin_b", 224), ("swin_b_384", 384)])
def test_finetune_takes_any_published_variant(variant, size):
    recipe = RECIPES["finetune"]().with_backbone(variant).sized()
    assert recipe.backbone.image_size == (size, size)
    assert recipe.augmentation.image_size == recipe.preprocessing.image_size == size
    assert recipe.backbone.drop_path_rate == RECIPES["finetune"]().backbone.drop_path_rate


def test_finetune_starts_offline_and_is_milder_than_imagenet():
    recipe, imagenet = RECIPES["finetune"](), RECIPES["imagenet1k_swin_t"]()
    assert recipe.weights is None and recipe.data is None
    assert recipe.augmentation.scale[0] > imagenet.augmentation.scale[0]
    assert recipe.augmentation.rand_augment.magnitude < imagenet.augmentation.rand_augment.magnitude
    assert recipe.mixing.probability == 0 and recipe.mixing.label_smoothing == 0.1
    assert recipe.optimizer.reference_batch is None


def test_small_recipes_are_small():
    for name, limit in {"digits": 150_000, "finetune_small": 3_000_000}.items():
        model = SwinClassifier(RECIPES[name]().backbone, num_classes=10)
        assert sum(parameter.numel() for parameter in model.parameters()) < limit


def test_finetune_segmentation_starts_offline():
    for name in ("finetune_segmentation", "finetune_segmentation_small"):
        recipe = RECIPES[name]()
        assert recipe.weights is None and recipe.data is None and not recipe.reduce_zero_label
        assert recipe.augmentation.resize is recipe.inference.resize is None


def test_digit_scenes_need_nothing():
    recipe = RECIPES["digit_scenes_segmentation"]()
    assert recipe.dataset == "digit_scenes" and recipe.data is None and recipe.weights is None
    assert recipe.augmentation.horizontal_flip == 0  # a mirrored digit is none
    assert recipe.augmentation.crop_size == (recipe.scenes.size, recipe.scenes.size)
    model = recipe.head.build(recipe.backbone.build(), 11)
    assert sum(parameter.numel() for parameter in model.parameters()) < 3_000_000


def test_digits_needs_nothing():
    recipe = RECIPES["digits"]()
    assert recipe.dataset == "digits" and recipe.data is None and recipe.weights is None
    assert isinstance(recipe.augmentation, SmallImageAugmentation)
    # A patch covers 2 x 2 pixels of the source, which is shown at twice its size.
    assert recipe.backbone.image_size == (16, 16) and recipe.backbone.patch_size == 4
