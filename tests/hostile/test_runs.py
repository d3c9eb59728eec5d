"""Short forms of the programs in runs.py; the long ones are run by hand, when the machine is quiet."""

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from runs import campaign

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("what", ["kill", "interrupt", "together"])
def test_three_of_each(what: str, tmp_path: Path) -> None:
    assert not campaign(what, 3, 0, signal.SIGINT, tmp_path)["fault"]


def test_three_terminations(tmp_path: Path) -> None:
    assert not campaign("interrupt", 3, 1, signal.SIGTERM, tmp_path)["fault"]
