import subprocess
import sys
from pathlib import Path

import pytest

from swinkit.errors import InputError
from swinkit.training import run_lock
from swinkit.training.run_lock import LOCK, held_run_folder

HOLDER = """
import sys
from pathlib import Path
from swinkit.training.run_lock import held_run_folder
with held_run_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = holder(folder)
    (folder / ".checkpoint.1.tmp.pt").touch()
    with (
        pytest.raises(InputError, match=rf"another run is training in .*run \(in process {process.pid} on .*--run-dir"),
        held_run_folder(folder),
    ):
        raise AssertionError
    assert (folder / ".checkpoint.1.tmp.pt").exists()  # of a process that lives
    process.kill()
    process.wait()
    with held_run_folder(folder):
        assert [path.name for path in folder.iterdir()] == [LOCK]
    assert not list(folder.iterdir())


def test_a_second_run_in_the_same_process_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(InputError, match="another run is training")
    with held_run_folder(tmp_path), refused, held_run_folder(tmp_path / "." / ""):
        raise AssertionError
    with held_run_folder(tmp_path):
        pass


def test_a_file_system_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", none)
    with held_run_folder(tmp_path):
        assert "has no locks (No locks available)" in caplog.text


@pytest.mark.parametrize("root", ["file", "file/below"])
def test_a_folder_that_cannot_be_made(root: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    match = r"cannot use .* as run folder \(.*choose another --run-dir"
    with pytest.raises(InputError, match=match), held_run_folder(tmp_path / root):
        raise AssertionError


def test_the_lock_file_of_another_is_left_where_it_took_the_place(tmp_path: Path) -> None:
    path = tmp_path / LOCK
    path.touch()
    descriptor = run_lock._locked(tmp_path)
    assert run_lock._is_still(descriptor, path)
    path.unlink()
    assert not run_lock._is_still(descriptor, path)
    path.touch()
    assert not run_lock._is_still(descriptor, path)
