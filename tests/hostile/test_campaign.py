"""A small campaign; `python tests/hostile/campaign.py` is the long one."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from campaign import FAULTS, NAMES, run, table


@pytest.mark.parametrize("seed", [0])
def test_no_hostile_input_gets_further_than_a_sentence(seed: int) -> None:
    outcomes = run(12 * len(NAMES), seed)
    print("\n" + table(outcomes))
    faults = [outcome for outcome in outcomes if outcome.kind in FAULTS]
    assert not faults, "\n\n".join(f"{each.reader} {each.seed}: {each.kind}\n{each.text}" for each in faults[:5])
    assert {outcome.kind for outcome in outcomes} == {"clean", "accepted"}
