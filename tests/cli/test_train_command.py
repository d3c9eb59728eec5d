import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sessions
from PIL import Image
from safetensors import safe_open

from swinkit.cli import main
from swinkit.cli.console import program

FILES = {
    *(
        ".gitignore",
        "recipe.json",
        "checkpoint.pt",
        "best.safetensors",
        "last.safetensors",
        "metrics.jsonl",
        "metrics.csv",
        "tensorboard",
    ),
    *("curves.png", "confusion.png", "predictions.png", "sample.png"),
}


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr that says what was wrong."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("swinkit: ")]
    assert len(lines) == 1, lines
    return lines[0]


def next_commands(text: str) -> list[list[str]]:
    """The arguments of the two commands that a finished run proposes."""
    commands = [sessions.arguments_of(line) for line in text.partition("Try next:\n")[2].splitlines()]
    assert [command[0] for command in commands] == ["evaluate", "predict"]
    return commands


def test_writes_every_file_and_says_where(digits_run: Path) -> None:
    assert {path.name for path in digits_run.iterdir()} - {"evaluation", "predictions"} == FILES
    log = (digits_run.parent / "log").read_text()
    assert "digits: 1,438 images to train on, 359 to validate on, 10 classes; a model of " in log
    for name in FILES - {".gitignore", "recipe.json", "last.safetensors", "metrics.csv", "tensorboard"}:
        assert f" {digits_run / name}\n" in log
    for picture in digits_run.glob("*.png"):
        with Image.open(picture) as image:
            image.verify()
    lines = [json.loads(line) for line in (digits_run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [*range(1, 23), 22]
    assert lines[0].keys() == {
        "step",
        "epoch",
        *(f"train/{name}" for name in ("loss", "grad_norm", "lr", "images_per_second")),
    }
    assert lines[-1].keys() == {"step", "epoch", "val/loss", "val/top1"}


def test_the_model_describes_itself(digits_run: Path) -> None:
    with safe_open(digits_run / "best.safetensors", framework="pt") as file:
        description = json.loads(file.metadata()["description"])
    assert description["classes"] == list("0123456789")
    assert description["preprocessing"]["image_size"] == 16
    assert description["recipe"]["optimizer"]["lr"] == 0.01
    assert description["results"]["val/top1"] > 0.3


def test_both_next_commands_work_as_printed(
    digits_run: Path, colours_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for run in (digits_run, colours_run):
        for command in next_commands((run.parent / "log").read_text()):
            assert main(command) == 0
    assert (digits_run / "evaluation" / "confusion.png").exists()
    assert (digits_run / "predictions" / "my run_sample.png").exists()
    assert not list(tmp_path.iterdir())


def test_as_a_program(digits_run: Path, tmp_path: Path) -> None:
    """The line as it was printed, in a shell of its own."""
    line = (digits_run.parent / "log").read_text().splitlines()[-1]
    done = subprocess.run(f"{line} --json", shell=True, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert len(json.loads(done.stdout)[0]["predictions"]) == 5
    assert done.stderr == ""


def test_finished_run_started_again_only_says_where_all_lies(digits_run: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in digits_run.rglob("*")}
    assert sessions.run(["train", "digits", *sessions.TINY, "--run-dir", str(digits_run)], tmp_path / "log") == 0
    again, first = (tmp_path / "log").read_text(), (digits_run.parent / "log").read_text()
    assert "This run was finished before. Done: best validation top-1" in again
    assert again[again.index("  model ") :] == first[first.index("  model ") :]
    assert {path: path.stat().st_mtime_ns for path in digits_run.rglob("*") if path.suffix != ".json"} == {
        path: time for path, time in before.items() if path.suffix != ".json"
    }


def test_folder_of_another_run(digits_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "digits", *sessions.TINY, "--run-dir", str(digits_run)]
    assert main([*arguments, "--optimizer.lr", "0.02", "--epochs", "2"]) == 2
    assert "holds a run with other values (optimizer.lr was 0.01, now 0.02); choose another" in sentence(capsys)


def test_more_epochs_make_a_finished_run_longer(digits_run: Path, tmp_path: Path) -> None:
    shutil.copytree(digits_run, tmp_path / "run")
    arguments = ["train", "digits", *sessions.TINY, "--run-dir", str(tmp_path / "run"), "--patience", "1"]
    assert sessions.run([*arguments, "--epochs", "2"], tmp_path / "log") == 0
    said = (tmp_path / "log").read_text()
    assert "The run has 44 steps in all, and no longer 22: from here on the learning rate is that of a run" in said
    assert "of 44 steps." in said and "Stopped early" not in said
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [*range(1, 23), 22, *range(23, 45), 44]
    assert sessions.run([*arguments, "--epochs", "1"], tmp_path / "log") == 2
    assert "has made 44 steps already, and is told to make 22; raise --epochs or" in (tmp_path / "log").read_text()


def test_ctrl_c_in_the_first_epoch_says_what_is_saved_and_the_command_that_goes_on(tmp_path: Path) -> None:
    run, log = tmp_path / "my run", tmp_path / "log"
    arguments = ["train", "digits", *sessions.TINY, "--batch-size", "4", "--workers", "2", "--run-dir", str(run)]
    process = sessions.start(arguments, log)
    while not (run / "metrics.jsonl").exists() or (run / "metrics.jsonl").read_bytes().count(b"\n") < 3:
        assert process.is_alive(), log.read_text()
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 130
    said = log.read_text()
    found = re.search(r"\nswinkit: interrupted after step (\d+) of 359, which is saved in (.*); this goes on", said)
    assert found is not None and found[2] == str(run / "checkpoint.pt") and "Traceback" not in said
    command = shlex.split(said.splitlines()[-1])
    assert command[-len(arguments) :] == arguments
    assert sessions.run(arguments, log) == 0
    assert f"Going on after step {found[1]} of 359" in log.read_text()


def test_a_run_without_progress_says_so_whenever_it_is_asked(tmp_path: Path) -> None:
    arguments = ["train", "digits", *sessions.TINY, "--run-dir", str(tmp_path / "run")]
    arguments += ["--epochs", "4", "--batch-size", "700", "--optimizer.lr", "0", "--patience", "1"]
    for _ in range(2):
        assert sessions.run(arguments, tmp_path / "log") == 0
        said = (tmp_path / "log").read_text()
        assert "\nStopped early after step 4 of 8: top-1 has not risen above" in said
        assert "in 1 evaluation (--patience 1); the same command with a larger --patience goes on.\n" in said


def test_a_bad_command_corrected_may_use_the_same_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "digits", *sessions.TINY, "--run-dir", str(tmp_path / "run")]
    assert main([*arguments, "--batch-size", "10", "--accumulate", "3"]) == 2
    assert "batch size 10 does not divide into 3 equal shares" in sentence(capsys)
    assert main([*arguments, "--optimizer.lr", "1e30", "--clip-grad", "None"]) == 2
    line = sentence(capsys)
    assert "in step " in line and "is not finite" in line and "--run-dir" in line
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
    assert main([*arguments, "--batch-size", "719"]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "epochs must be at least 1, not 0"),
        (["--batch-size", "30", "--accumulate", "4"], "30 does not divide into 4 equal shares"),
        (["--device", "cuda:77"], "the device 'cuda:77' cannot be used here; try --device cpu"),
        (["--device", "abacus"], "the device 'abacus' cannot be used here; try --device cpu"),
        (["--backbone.in-channels", "1"], "--backbone.in-channels must be 3, not 1"),
        (["--backbone.image-size", "32", "32"], "set all of them with --image-size"),
        (["--image-size", "2"], "image_size must hold a patch"),
        (["--dataset", "folder"], "needs images; say where they are with --data DIR"),
        (["--weights", "no_such_weights"], "no_such_weights is neither a file nor the name of published weights"),
        (["--run-dir", "/proc/run"], "cannot use /proc/run as run folder"),
        (["--validation-fraction", "1.5"], "the validation fraction is 1.5"),
    ],
)
def test_values_that_cannot_be(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "digits", "--device", "cpu", "--run-dir", str(tmp_path / "run"), *options]) == 2
    assert message in sentence(capsys)
    assert not (tmp_path / "run").exists()


def test_data_that_cannot_be(colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(data: Path) -> str:
        assert (
            main(
                ["train", "finetune", *sessions.TINY_FINETUNE, "--data", str(data), "--run-dir", str(tmp_path / "run")]
            )
            == 2
        )
        return sentence(capsys)

    assert "does not exist" in refused(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert "found no data set in" in refused(tmp_path / "empty")
    split = tmp_path / "split"
    for part, names in (("train", ["blue", "red"]), ("val", ["blue", "green"])):
        for name in names:
            (split / part).mkdir(parents=True, exist_ok=True)
            (split / part / name).symlink_to(colours / name)
    assert f"the class folder {split / 'val' / 'green'} has no counterpart in {split / 'train'}" in refused(split)


def _with_corrupt_image(colours: Path, folder: Path, name: str) -> Path:
    for group in ("blue", "red"):
        (folder / group).mkdir(parents=True)
        for image in (colours / group).iterdir():
            (folder / group / image.name).write_bytes(image.read_bytes())
    (folder / "red" / name).write_bytes((folder / "red" / name).read_bytes()[:100])
    return folder


@pytest.mark.parametrize("workers", ["0", "2"])
def test_corrupt_image_stops_or_is_left_out(colours: Path, tmp_path: Path, workers: str) -> None:
    data = _with_corrupt_image(colours, tmp_path / "data", "red03.png")
    options = [*sessions.TINY_FINETUNE, "--workers", workers, "--epochs", "2", "--data", str(data)]
    arguments = ["train", "finetune", *options, "--run-dir", str(tmp_path / "run")]
    log = tmp_path / "log"
    assert sessions.run(arguments, log) == 2
    (line,) = [line for line in log.read_text().splitlines() if line.startswith("swinkit: ")]
    assert f"{data / 'red' / 'red03.png'} is a damaged or truncated image" in line
    assert "Traceback" not in log.read_text()
    assert sessions.run([*arguments, "--on-corrupt", "skip"], log) == 0
    assert f"Skipped: {data / 'red' / 'red03.png'} is a damaged or truncated image" in log.read_text()
    assert "Done:" in log.read_text()


FULL_DISK = """
import resource, sys
from swinkit.cli import main
from swinkit.cli.console import program

resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
sys.exit(main(sys.argv[1:]))
"""


def test_full_disk_in_the_middle_of_a_run(tmp_path: Path) -> None:
    """The model (100 KB) can be written, the checkpoint (300 KB) cannot."""
    arguments = ["train", "digits", *sessions.TINY, "--workers", "0", "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("swinkit: ")]
    assert line.startswith(f"swinkit: cannot write {tmp_path / 'run' / 'checkpoint.pt'} (")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        ".gitignore",
        "recipe.json",
        "best.safetensors",
        "last.safetensors",
        "metrics.jsonl",
        "metrics.csv",
        "tensorboard",
    }


def test_options_and_recipes_that_do_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "digits", "--no-such-option", "1"]) == 2
    assert "--no-such-option" in capsys.readouterr().err
    assert main(["train", "digits", "--epochs", "many"]) == 2
    assert "--epochs" in capsys.readouterr().err
    assert main(["train", "no_such_recipe"]) == 2
    assert sentence(capsys) == "swinkit: there is no recipe 'no_such_recipe'; swinkit recipes lists them"
    assert main(["train"]) == 2
    assert "say which recipe to train" in sentence(capsys)


def test_help_names_every_kind_of_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "digits", "--help-all"]) == 0
    text = capsys.readouterr().out
    for option in (
        "--data",
        "--run-dir",
        "--epochs",
        "--backbone.depths",
        "--optimizer.lr",
        "--schedule.decay",
        "--mixing.probability",
        "--freeze",
        "--layer-decay",
        "--patience",
        "--class-weights",
        "--sampling",
        "--log",
    ):
        assert option in text
    assert main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    assert "finetune_detection_small" in text and "swinkit recipes --published" in text
    assert "imagenet1k_swin_t" not in text


def test_the_best_step_is_told(digits_run: Path) -> None:
    assert re.search(r"\nDone: best validation top-1 [\d.]+ % at step 22 of 22 steps\.\n", read_log(digits_run))


def read_log(run: Path) -> str:
    return (run.parent / "log").read_text()


@pytest.mark.parametrize(
    ("started", "on_path", "words"),
    [
        ("venv/bin/swinkit", True, ["swinkit"]),
        ("venv/bin/swinkit", False, ["venv/bin/swinkit"]),
        ("somewhere/swinkit/__main__.py", False, [sys.executable, "-m", "swinkit"]),
    ],
)
def test_the_next_command_starts_the_same_program(
    started: str, on_path: bool, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "venv" / "bin" / "swinkit"
    own.parent.mkdir(parents=True)
    own.touch(mode=0o755)
    other = tmp_path / "other" / "swinkit"  # of another environment
    other.parent.mkdir()
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", str((own if on_path else other).parent))
    monkeypatch.setattr("sys.argv", [started, "train"])
    assert program() == words
