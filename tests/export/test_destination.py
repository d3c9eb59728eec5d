"""A file is written where there is none, or not at all."""

from pathlib import Path

import pytest

from swinkit.errors import InputError
from swinkit.export.destination import check_destination


def test_unusable_places_are_refused_with_a_sentence(tmp_path: Path) -> None:
    there = tmp_path / "there.onnx"
    there.touch()
    for out, sentence in (
        (there, "exists already"),
        (tmp_path / "a.pt2", "ending .onnx"),
        (tmp_path / "no" / "a.onnx", "there is no folder"),
    ):
        with pytest.raises(InputError, match=sentence):
            check_destination(out, ".onnx")
    check_destination(tmp_path / "new.onnx", ".onnx")
