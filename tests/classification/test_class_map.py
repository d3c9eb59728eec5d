from pathlib import Path

import pytest

from swinkit.classification.class_map import read_class_map
from swinkit.errors import InputError


def test_numbers_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "map.txt"
    path.write_text("359\n368\n\n460\n")
    assert read_class_map(path) == [359, 368, 460]


@pytest.mark.parametrize("content", [b"1\ntwo\n", b"\xff\xfe\x00", b"1.5\n", None])
def test_anything_else(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "map.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"map\.txt is not a class map, a text file with one class number a line"):
        read_class_map(path)
