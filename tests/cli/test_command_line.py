import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

import swinkit
from swinkit.cli import main
from swinkit.cli.listings import HEADINGS, TASKS
from swinkit.recipes import RECIPES

COMMANDS = (
    "train",
    "evaluate",
    "predict",
    "explain",
    "embed",
    "export",
    "web",
    "benchmark",
    "tables",
    "check-data",
    "convert-data",
    "models",
    "recipes",
    "convert",
)
BY_TASK = ("evaluate", "predict", "explain", "embed")
"""Commands whose options depend on the checkpoint, which comes first."""


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == main(["-h"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name}" in text for name in COMMANDS)
    assert main([]) == 2
    assert "swinkit train digits" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"swinkit {swinkit.__version__}\n"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "train"])
def test_help_of_every_command(name: str, digits_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"usage: swinkit {name} [-h]" in capsys.readouterr().out
    given = {"benchmark": "models"} | dict.fromkeys(BY_TASK, str(digits_run))
    assert main([name, given.get(name, "some"), "thing", "--no-such-option"]) == 2
    assert "no-such-option" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"), [("evaluate", "CHECKPOINT"), ("predict", "CHECKPOINT IMAGE..."), ("convert", "FILE OUT")]
)
def test_help_calls_things_by_their_names(name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([name, "--help"])
    helps = capsys.readouterr().out.split("usage: ")[1:]
    assert len(helps) == (3 if name in BY_TASK else 1)
    for text in helps:
        usage, _, options = text.partition("\n\n")
        assert " ".join(usage.split()).endswith(words)
        assert all(word in options for word in words.split())


def test_help_of_a_command_that_is_the_same_for_every_task_comes_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.count("usage: swinkit embed") == 1 and "options depend" not in text


@pytest.mark.parametrize("name", [name for name in BY_TASK if name != "embed"])
def test_help_lists_every_task(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"swinkit {name} CHECKPOINT ...: the options depend on what the checkpoint is a model of.")
    classification, _, segmentation = text.partition("--- segmentation ---")
    assert "--- classification ---" in classification and "--mode" not in classification
    assert "--device" in segmentation
    assert ("--mode {trained,whole,slide,multi_scale}" in segmentation) == (name in ("evaluate", "predict"))


@pytest.mark.parametrize("name", BY_TASK)
def test_the_checkpoint_comes_first(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--device", "cpu", "runs/digits"]) == 2
    assert f"name the checkpoint before the options: swinkit {name} CHECKPOINT --device" in capsys.readouterr().err
    assert main([name]) == 2
    captured = capsys.readouterr()
    assert f"say which checkpoint: swinkit {name} CHECKPOINT" in captured.err and "--device" in captured.out
    assert ("--- segmentation ---" in captured.out) == (name != "embed"), "one help, where it is the same for all"


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian", "digits"]) == 2
    assert capsys.readouterr().err == f"swinkit: there is no command 'trian'; there are {', '.join(COMMANDS)}\n"


def test_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    few = capsys.readouterr().out
    assert main(["recipes", "--published"]) == 0
    text = capsys.readouterr().out
    assert all(f" {name} " in text for name in RECIPES)
    own, embedded, published = (text.index(heading) for heading in HEADINGS.values())
    for entry in RECIPES.entries():
        place = text.index(f" {entry.name} ")
        assert (
            entry.data == "own" if place < embedded else entry.data == "embedded" if place < published else "published"
        )
        assert (f" {entry.name} " in few) == (entry.data != "published")
    assert own < embedded and f"{len([e for e in RECIPES.entries() if e.data == 'published'])} recipes, which" in few
    assert [line.split()[0] for line in few[own:embedded].splitlines() if re.match(" [a-z]", line)] == list(TASKS)
    (line,) = (line for line in text.splitlines() if " coco_cascade_swin_t_3x_paper " in line)
    assert line.rstrip().endswith("50.5 box AP, 43.7 mask AP")


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert "backbone, for --weights alone" in text
    assert "28,288,354" in text and "swin_large_patch4_window12_384_22kto1k" in text and "87.3 % top-1" in text


def test_convert(colours_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = colours_run / "best.safetensors", tmp_path / "out.safetensors"
    assert main(["convert", str(source), str(out)]) == 0
    assert f"{out}: {len(load_file(source))} tensors" in capsys.readouterr().out
    assert main(["convert", str(source), str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_interruption_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("swinkit.cli.listings.models_command", interrupted)
    assert main(["models"]) == 130
    assert capsys.readouterr().err.strip().startswith("swinkit: interrupted; the same command goes on")


def test_reader_that_goes_away() -> None:
    """swinkit recipes | true"""
    program = subprocess.Popen(
        [sys.executable, "-m", "swinkit", "recipes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None and program.stderr is not None
    program.stdout.close()
    assert program.stderr.read() == ""
    program.stderr.close()
    assert program.wait() == 1


def test_other_libraries_stay_quiet() -> None:
    main(["recipes"])
    assert logging.getLogger("swinkit").isEnabledFor(logging.INFO)
    assert not logging.getLogger("matplotlib").isEnabledFor(logging.INFO)
