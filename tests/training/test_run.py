"""What decides a run, and what may be changed when it goes on."""

import os
from dataclasses import replace
from pathlib import Path

from swinkit.recipes import RECIPES
from swinkit.training.run import _drawn_before, deciding
from swinkit.training.run_folder import RunFolder


def test_where_and_how_it_is_computed_may_change_and_nothing_else() -> None:
    recipe = RECIPES["digits"]()
    elsewhere = replace(
        recipe, loop=replace(recipe.loop, workers=7, threads=3, device="cuda", log_every=9, log=("wandb",))
    )
    assert deciding(elsewhere) == deciding(recipe)
    for changed in (
        replace(recipe, loop=replace(recipe.loop, seed=recipe.loop.seed + 1)),
        replace(recipe, loop=replace(recipe.loop, batch_size=2 * recipe.loop.batch_size)),
        replace(recipe, optimizer=replace(recipe.optimizer, lr=1.0)),
        replace(recipe, backbone=replace(recipe.backbone, mlp_ratio=3.5)),
    ):
        assert deciding(changed) != deciding(recipe)


def test_pictures_of_a_time_before_the_run_was_made_longer_are_drawn_anew(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for name in ("checkpoint.pt", "curves.png", "sample.png"):
        (tmp_path / name).touch()
    for picture, seconds in (("curves.png", 10), ("sample.png", 20)):
        os.utime(tmp_path / picture, (seconds, seconds))
    os.utime(run.checkpoint, (15, 15))
    assert _drawn_before(run, ("curves", "sample")) == (tmp_path / "curves.png", tmp_path / "sample.png")
    os.utime(run.checkpoint, (25, 25))
    assert _drawn_before(run, ("curves", "sample")) == ()
    (tmp_path / "sample.png").unlink()
    assert _drawn_before(run, ("curves", "sample")) == ()
