"""A small campaign; `python tests/hostile/campaign.py` is the long one."""

import copy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import save

import swinkit
from swinkit.errors import InputError
from swinkit.weights.model_file import MOST, write_description

sys.path.insert(0, str(Path(__file__).parent))

from campaign import FAULTS, NAMES, run, table
from readers import models


@pytest.mark.parametrize("seed", [0])
def test_no_hostile_input_gets_further_than_a_sentence(seed: int) -> None:
    outcomes = run(12 * len(NAMES), seed)
    print("\n" + table(outcomes))
    faults = [outcome for outcome in outcomes if outcome.kind in FAULTS]
    assert not faults, "\n\n".join(f"{each.reader} {each.seed}: {each.kind}\n{each.text}" for each in faults[:5])
    assert {outcome.kind for outcome in outcomes} == {"clean", "accepted"}


def whole_numbers(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list or dict that holds a whole number, at any depth, with its key."""
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(each, (dict, list)):
            yield from whole_numbers(each)
        elif type(each) is int:
            yield value, key


@pytest.mark.parametrize("large", [MOST, 2**62])
@pytest.mark.parametrize("name", list(models()))
def test_no_number_in_a_model_file_decides_how_much_memory_is_taken(name: str, large: int, tmp_path: Path) -> None:
    weights, description = models()[name]
    changed = copy.deepcopy(description)
    for place, key in list(whole_numbers(changed)):
        before, place[key] = place[key], large
        path = tmp_path / "model.safetensors"
        path.write_bytes(save(dict(weights), write_description(changed)))
        place[key] = before
        try:
            swinkit.open(path).predict(Image.new("RGB", (40, 30)))
        except InputError:
            continue
        assert large == MOST
