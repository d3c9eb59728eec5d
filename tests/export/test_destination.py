"""A file is written where there is none, or not at all."""

from pathlib import Path

import pytest

from swinkit.errors import InputError
from swinkit.export import check_destination
from swinkit.export.destination import written_whole


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


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    out = tmp_path / "a.onnx"
    with pytest.raises(ValueError, match="half"), written_whole(out) as partial:
        partial.write_text("ha")
        raise ValueError("half")
    assert list(tmp_path.iterdir()) == []
    with written_whole(out) as partial:
        partial.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*No space left"), written_whole(tmp_path / "a.onnx"):
        raise OSError(28, "No space left on device")
