"""The golden checker on augmentation: every kind of stored tensor counts, and steps that we do not have are named."""

import json
from pathlib import Path
from typing import Any

import check_goldens
import pytest
from safetensors import safe_open
from safetensors.torch import save_file
from shared_files import shared_path
from torch import Tensor


def edited(target: Path, changes: dict[str, Tensor], cases: dict[str, Any] | None = None) -> Path:
    with safe_open(shared_path("goldens/augmentation.safetensors"), framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    metadata |= {} if cases is None else {"config": json.dumps({"cases": cases})}
    save_file(tensors | changes, target / "augmentation_edited.safetensors", metadata)
    return target / "augmentation_edited.safetensors"


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("down.image", 2),
        ("crop.boxes", 1e-3),
        ("crop.labels", 1),
        ("flip.masks", 1),
        ("htc_semantic.semantic", 1),
        ("up.scale_factor", 1e-4),
        ("resize_crop_resize.img_shape", 1),
        ("pad.pad_shape", 1),
        ("sizes.out", 1),
        ("sizes.scale_factor", 1e-5),
    ],
)
def test_every_stored_tensor_counts(tmp_path: Path, name: str, by: float, capsys: pytest.CaptureFixture[str]) -> None:
    with safe_open(shared_path("goldens/augmentation.safetensors"), framework="pt") as file:
        stored = file.get_tensor(name)
    value = stored.view(-1)[0]
    stored.view(-1)[0] = value ^ 1 if name == "flip.masks" else value - by if value >= by and by >= 1 else value + by
    assert check_goldens.main([str(edited(tmp_path, {name: stored})), "--attention", "reference"]) == 1
    missed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.endswith("MISS")]
    assert missed == [name]


def test_a_case_that_is_compared_with_nothing_is_a_miss(tmp_path: Path) -> None:
    path = edited(tmp_path, {}, {"pad": {"steps": [{"do": "pad", "divisor": 32}]}})
    assert check_goldens.main([str(path), "--attention", "reference"]) == 1


def test_steps_that_we_do_not_have_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = edited(tmp_path, {}, {"pad": {"steps": [{"do": "rotate", "angle": 3}]}})
    assert check_goldens.main([str(path), "--attention", "reference"]) == 2
    assert "the step {'do': 'rotate', 'angle': 3}" in capsys.readouterr().err


def test_objects_that_cannot_be_seen_in_a_part_may_be_missing(tmp_path: Path) -> None:
    """The original code goes by boxes alone; ours drops an object whose mask has no pixel in the part."""
    with safe_open(shared_path("goldens/augmentation.safetensors"), framework="pt") as file:
        changes = {name: file.get_tensor(name) for name in ("source.masks", "crop.masks")}
    number = int(changes["crop.masks"].flatten(1).sum(1).argmin())
    changes["source.masks"][number, 11:63, 7:54] = 0
    changes["crop.masks"][number] = 0
    path = edited(tmp_path, changes, {"crop": {"steps": [{"do": "crop", "offset": [11, 7], "size": [52, 47]}]}})
    with safe_open(path, framework="pt") as file:
        kept = {n: file.get_tensor(n) for n in file.keys() if n.startswith(("crop.", "source.", "sizes."))}  # noqa: SIM118
        save_file(kept, path, file.metadata())
    assert check_goldens.main([str(path), "--attention", "reference"]) == 0
