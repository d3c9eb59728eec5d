"""Files that once ended in a traceback, a crash, a hang or the end of the memory: one sentence and exit code 2 each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sessions
from shared_files import SHARED, shared_path

from swinkit.cli import main

CASES = SHARED / "cases"
PHOTO = "fault-01-check-data-segfault/images/i0.jpg"


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says that must end in one sentence."""
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    sentences = [line for line in said.splitlines() if line.startswith("swinkit: ")]
    assert len(sentences) == 1 and said.rstrip().endswith(sentences[0])
    return sentences[0]


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the case's folder, which is the current folder."""
    copy = tmp_path / "case"
    shutil.copytree(shared_path(f"cases/{request.param}"), copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    monkeypatch.chdir(copy)
    return copy


@pytest.mark.parametrize("case", ["fault-01-check-data-segfault"], indirect=True)
def test_sizes_reach_no_c_code_before_they_are_compared(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", "big.json", "--images", "images"]) == 2
    captured = capsys.readouterr()
    assert "2147483647 x 2147483647 pixels" in captured.out and "Traceback" not in captured.err


@pytest.mark.parametrize("case", ["fault-02-yaml-alias-bomb"], indirect=True)
def test_aliases_in_yaml(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "alias *a0 is not accepted" in refused(["convert-data", "."], capsys)


@pytest.mark.parametrize("name", sorted(path.name for path in (CASES / "fault-04-model-header-values").glob("*.saf*")))
def test_values_in_a_model_header(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = shared_path(f"cases/fault-04-model-header-values/{name}")
    assert name in refused(["predict", str(path), str(shared_path(f"cases/{PHOTO}"))], capsys)


@pytest.mark.parametrize("case", ["fault-06-long-file-name"], indirect=True)
def test_a_name_of_304_characters(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "aaa" in refused(["check-data", "long.json"], capsys)
    assert main(["check-data", "long.json", "--images", "images"]) == 2
    assert "missing file" in capsys.readouterr().out


@pytest.mark.parametrize("case", ["fault-07-yaml-values"], indirect=True)
@pytest.mark.parametrize("kind", ["bool", "date", "empty", "int", "timestamp"])
def test_values_of_other_types_in_yaml(case: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no class names" in refused(["convert-data", kind], capsys)


@pytest.mark.parametrize("command", ["predict", "convert"])
@pytest.mark.parametrize("name", sorted(path.name for path in (CASES / "fault-09-pth-shapes").glob("*.pth")))
def test_shapes_in_foreign_weights(name: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(shared_path(f"cases/fault-09-pth-shapes/{name}"))
    if command == "predict":
        assert name in refused(["predict", path, str(shared_path(f"cases/{PHOTO}"))], capsys)
    elif name in ("block-3000000.pth", "patch_embed-1d.pth", "seg-without-conv_seg.pth"):
        assert main(["convert", path, str(tmp_path / "out.safetensors")]) == 0  # names alone are changed
    else:
        assert name in refused(["convert", path, str(tmp_path / "out.safetensors")], capsys)


@pytest.mark.parametrize("case", ["fault-10-run-folder-files"], indirect=True)
def test_files_in_a_run_folder(
    case: Path, digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "digits", *sessions.TINY, "--run-dir"]
    for path in sorted(case.glob("checkpoint-*.pt")):
        run = tmp_path / path.stem
        shutil.copytree(digits_run, run)
        shutil.copy(path, run / "checkpoint.pt")
        assert "checkpoint.pt" in refused([*command, str(run)], capsys)
    run = tmp_path / "recipe"
    shutil.copytree(digits_run, run)
    shutil.copy(case / "recipe.json", run / "recipe.json")
    assert "recipe.json is not text in UTF-8" in refused([*command, str(run)], capsys)


@pytest.mark.parametrize("case", ["fault-11-zip"], indirect=True)
@pytest.mark.parametrize("kind", ["bz2", "lzma", "name-not-utf8", "version99"])
def test_zip_archives(case: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--workers", "0", "--epochs", "1", "--batch-size", "2", "--weights", "None", "--image-size", "32"]
    found = refused(["train", "finetune_small", "--data", kind, *options], capsys)
    assert "train.zip" in found and ("damaged" in found or "not a complete zip archive" in found)


@pytest.mark.parametrize("case", ["fault-19-mask-memory"], indirect=True)
def test_a_mask_takes_no_more_than_a_few_bytes_a_pixel(case: Path) -> None:
    import subprocess
    import sys

    program = (
        "import resource; from pathlib import Path; from swinkit.segmentation.data.labels import as_labels\n"
        "from swinkit.images import masks; from swinkit.images.masks import read_mask\n"
        "masks.MAX_PIXELS = 2 * 10**8; p = Path('mask8.png')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "as_labels(read_mask(p), 3, reduce_zero_label=False, name='m')\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 1200  # MiB of 179 million pixels; it was 4,700
