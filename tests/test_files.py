"""Files are whole or as they were, whatever happens while they are written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from swinkit.errors import InputError
from swinkit.files import (
    BoundedFile,
    folder_written_whole,
    read_lines,
    read_text,
    refuse_existing,
    remove_leftovers,
    write_text,
    written_whole,
)


def _no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("broken", ["pathlib.Path.write_text", "os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")
    with monkeypatch.context() as patched:
        patched.setattr(broken, _no_space)
        with pytest.raises(InputError, match=r"cannot write .*a\.json \(No space left on device\); buy a disk"):
            write_text(path, "new", advice="buy a disk")
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == "old"


FULL_DISK = """
import resource, sys
from pathlib import Path
from swinkit.files import write_text
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    write_text(Path(sys.argv[1]), "x" * 100_000)
except ValueError as error:
    print(error)
"""


def test_the_real_thing_not_a_patched_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"cannot write {path} (File too large); free some space")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="half"), written_whole(tmp_path / "a.onnx") as partial:
        partial.write_text("ha")
        assert partial.suffix == ".onnx"  # some writers look at the ending
        raise ValueError("half")
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_and_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "x")
    with pytest.raises(InputError, match=r"cannot write .*c\.txt"):
        write_text(tmp_path / "a" / "b" / "c.txt" / "d.txt", "x")
    if os.geteuid() != 0:  # root may write anywhere
        tmp_path.chmod(0o500)
        with pytest.raises(InputError, match="Permission denied"):
            write_text(tmp_path / "e.txt", "x")


def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    leftovers = [".checkpoint.123.tmp.pt", ".best.45.tmp.safetensors", ".recipe.6.tmp.json", ".LICENSE.7.tmp"]
    others = [".tmp", ".mine.tmp", "notes.12.tmp", ".gitignore", "checkpoint.1.tmp.pt"]
    for name in leftovers + others:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(others)


def test_texts_with_a_byte_order_mark_and_texts_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeff cat\n\ndog \n".encode())
    assert read_lines(path) == ["cat", "dog"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text in UTF-8"):
        read_text(path)
    with pytest.raises(InputError, match=r"cannot read .*none\.txt \(No such file"):
        read_text(tmp_path / "none.txt")


def test_names_that_are_taken(tmp_path: Path) -> None:
    refuse_existing(tmp_path / "a")
    (tmp_path / "a").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="exists already"):
        refuse_existing(tmp_path / "a")


def test_a_bounded_file_is_asked_for_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with BoundedFile(tmp_path / "a") as file:
        assert file.read(4) == b"0123"
        assert file.read(2**62) == b"456789"
        assert file.read(2**62) == file.read() == b""
        file.seek(-2, 2)
        assert file.read() == b"89"
    with pytest.raises(InputError, match="device or pipe"):
        BoundedFile(Path(os.devnull))


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    full = r"cannot write .*out \(No space left.*free some space"
    with pytest.raises(InputError, match=full), folder_written_whole(tmp_path / "out") as partial:
        (partial / "a").write_text("a")
        raise OSError(28, os.strerror(28))
    assert list(tmp_path.iterdir()) == []
    with folder_written_whole(tmp_path / "out") as partial:
        (partial / "a").write_text("a")
        assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and (tmp_path / "out" / "a").read_text() == "a"
