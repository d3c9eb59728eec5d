"""What decides a run, and what may be changed when it goes on."""

from dataclasses import replace

from swinkit.recipes import RECIPES
from swinkit.training.run import deciding


def test_where_and_how_it_is_computed_may_change_and_nothing_else() -> None:
    recipe = RECIPES["digits"]()
    elsewhere = replace(recipe, loop=replace(recipe.loop, workers=7, threads=3, device="cuda", log_every=9))
    assert deciding(elsewhere) == deciding(recipe)
    for changed in (
        replace(recipe, loop=replace(recipe.loop, seed=recipe.loop.seed + 1)),
        replace(recipe, loop=replace(recipe.loop, batch_size=2 * recipe.loop.batch_size)),
        replace(recipe, optimizer=replace(recipe.optimizer, lr=1.0)),
        replace(recipe, backbone=replace(recipe.backbone, mlp_ratio=3.5)),
    ):
        assert deciding(changed) != deciding(recipe)
