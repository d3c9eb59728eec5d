"""Every code block of README.md and docs/ is tried.

Commands are parsed by the program's own parsers, with every option; they are not run, as they want data, weights or
hours (`test_quick_start` runs the one that wants none). Blocks of Python are run, with small models under the names
that the text has; those in `LOOKED_UP` are not.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import small_detectors
import small_segmentation
import torch
import tyro
from PIL import Image
from small_detectors import small

import swinkit
from swinkit.cli import COMMANDS, main
from swinkit.detection.cascade import CascadeMaskRCNN
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.predictor import describe_detector
from swinkit.recipes import RECIPES
from swinkit.recipes.digits import digits
from swinkit.recipes.finetune import finetune
from swinkit.segmentation.architectures import describe_segmentor
from swinkit.segmentation.inference import InferenceSettings
from swinkit.training.settings import LoopSettings
from swinkit.weights.model_file import write_description
from swinkit.weights.save import save_weights

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md")
TASKS = ("classification", "detection", "segmentation")
FOREIGN = {"pip", "python", "python3", "pytest", ".ci/run", "docker", "git", "data"}
"""What other lines of the blocks begin with: other programs, and paths of files in a data set."""


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """Fenced blocks, and those that are indented by four spaces after an empty line."""
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        start = number
        if lines[number].startswith("```"):
            end = next(n for n in range(number + 1, len(lines)) if lines[n].startswith("```"))
            yield Block(page, start + 2, lines[number][3:], "\n".join(lines[number + 1 : end]))
            number = end + 1
        elif lines[number].startswith("    ") and (number == 0 or not lines[number - 1].strip()):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                number += 1
            text = "\n".join(line[4:] for line in lines[start:number]).rstrip()
            yield Block(page, start + 1, "python" if text.startswith("import ") else "", text)
        else:
            number += 1


def commands_in(text: str) -> Iterator[list[str]]:
    """The arguments of every `swinkit ...` in lines of a shell; what is optional, in brackets, is given."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|;", line):
            if not re.match(r"\s*((\S*/)?swinkit|torchrun) ", part):
                continue
            words = shlex.split(part.replace("[", " ").replace("]", " "), comments=True)
            yield words[words.index("swinkit") + 1 :] if words[0] == "torchrun" else words[1:]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
SHELL = [block for block in BLOCKS if block.language in ("", "sh", "bash", "console") and list(commands_in(block.text))]
PYTHON = [block for block in BLOCKS if block.language == "python"]
INLINE = [
    (page, code.replace("\n", " "))
    for page in PAGES
    for code in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S))
    if code.startswith(("swinkit ", "torchrun ")) and "..." not in code
]


class Parsed(Exception):
    """A command's options were understood."""


@pytest.fixture
def parsing_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands end where their options are parsed."""
    parse = tyro.cli

    def parse_and_stop(*arguments: object, **named: object) -> None:
        raise Parsed(parse(*arguments, **named))  # type: ignore[call-overload]

    monkeypatch.setattr(tyro, "cli", parse_and_stop)


def check_command(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Raises AssertionError where no task's command understands the arguments; a command's name alone needs to exist,
    and for help the recipe."""
    if len(arguments) == 1 or arguments[1:2] == ["RECIPE"]:
        assert arguments[0] in COMMANDS
        return
    if set(arguments) & {"--help", "--help-all"}:
        assert arguments[0] == "train" and arguments[1] in RECIPES
        return
    reached = []
    for task in TASKS:
        for reader in ("read_model_file", "open_exported"):
            monkeypatch.setattr(f"swinkit.cli.by_task.{reader}", lambda _, task=task: SimpleNamespace(task=task))
        try:
            reached.append(main(list(arguments)))
        except Parsed:
            return
    raise AssertionError(f"swinkit {shlex.join(arguments)} is not understood: exit codes {reached}")


@pytest.mark.usefixtures("parsing_alone")
@pytest.mark.parametrize("block", SHELL, ids=map(str, SHELL))
def test_commands_in_blocks_are_understood(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in commands_in(block.text):
        check_command(arguments, monkeypatch)


@pytest.mark.usefixtures("parsing_alone")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_sentences_are_understood(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in dict.fromkeys(code for where, code in INLINE if where == page):
        for arguments in commands_in(code):
            check_command(arguments, monkeypatch)


def test_no_block_is_passed_over() -> None:
    """Every block is Python, or has a command of swinkit's, or lines that begin with something known."""
    for block in BLOCKS:
        if block in SHELL or block in PYTHON:
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            first = line.split()[0] if line.split() else ""
            is_path = "/" in first or first.endswith((".py", ".json", ".png", ".jpg"))
            assert not first or is_path or first in FOREIGN or first.startswith("--") or "  " in line, (
                f"{block}: {line}"
            )


def test_a_command_that_is_wrong_is_found(parsing_alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in ("swinkit train digits --no-such-option 1", "swinkit evaluate RUN --threshold 1", "swinkit fly RUN"):
        (arguments,) = commands_in(line)
        with pytest.raises(AssertionError, match="is not understood"):
            check_command(arguments, monkeypatch)


@pytest.fixture
def documented_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with small models, and an image, under the names that the text has."""
    monkeypatch.chdir(tmp_path)
    Image.effect_noise((64, 48), 90).convert("RGB").save("photo.jpg")
    torch.manual_seed(0)
    detector = small(CascadeMaskRCNN()).build(small_detectors.BACKBONE.build(), num_classes=3)
    described = describe_detector(detector, tuple("abc"), DetectionResize(64, 64))
    for name in ("cascade_mask_rcnn_swin_tiny_patch4_window7.pth", "runs/finetune_detection/best.safetensors"):
        save_weights(Path(name), detector.state_dict(), write_description(described))
    segmentor = small_segmentation.segmentor()
    described = describe_segmentor(segmentor, tuple("abcde"), InferenceSettings())
    for name in ("upernet_swin_tiny_patch4_window7_512x512.pth", "runs/finetune_segmentation/best.safetensors"):
        save_weights(Path(name), segmentor.state_dict(), write_description(described))
    recipe = replace(digits(), backbone=replace(digits().backbone, depths=(1, 1)), loop=LoopSettings(epochs=1))
    monkeypatch.setattr("swinkit.recipes.digits.digits", lambda: recipe)
    for name in ("daisy", "rose"):
        (Path("flowers") / name).mkdir(parents=True)
        for number in range(6):
            Image.effect_noise((32, 32), 90).convert("RGB").save(Path("flowers") / name / f"{number}.png")
    small_finetune = replace(
        finetune(),
        backbone=replace(digits().backbone, depths=(1, 1), image_size=(32, 32)),
        image_size=32,
        loop=LoopSettings(batch_size=4, workers=0),
    )
    monkeypatch.setattr("swinkit.recipes.finetune.finetune", lambda: small_finetune)


@pytest.fixture
def published_weights(documented_files: None) -> None:
    """Random ones of Swin-T: a file of a published name in this folder is taken for the published one."""
    weights = swinkit.swin_t().state_dict()
    torch.save(weights, "swin_tiny_patch4_window7_224")
    torch.save(
        {"state_dict": {f"backbone.{name}": value for name, value in weights.items()}}, "mask_rcnn_swin_tiny.pth"
    )


def run_python(block: Block) -> None:
    exec(compile(block.text, str(block), "exec"), {"swinkit": swinkit, "images": torch.rand(2, 3, 64, 64)})


LARGE = [block for block in PYTHON if "swin_t(" in block.text]
LOOKED_UP = [block for block in PYTHON if "resnet101" in block.text]
"""Blocks whose names alone are looked up: they would want a ResNet-101 with its weights and a detector of full size."""
EXPORTED = [block for block in PYTHON if "detector.onnx" in block.text]
SMALL = [block for block in PYTHON if block not in (*LARGE, *LOOKED_UP, *EXPORTED)]


@pytest.mark.usefixtures("documented_files")
@pytest.mark.parametrize("block", SMALL, ids=map(str, SMALL))
def test_blocks_of_python_run(block: Block) -> None:
    run_python(block)


@pytest.mark.slow
@pytest.mark.usefixtures("published_weights")
@pytest.mark.parametrize("block", LARGE, ids=map(str, LARGE))
def test_blocks_of_python_with_a_whole_swin_run(block: Block) -> None:
    run_python(block)


@pytest.mark.slow
@pytest.mark.usefixtures("documented_files")
@pytest.mark.parametrize("block", EXPORTED, ids=map(str, EXPORTED))
def test_blocks_of_python_with_an_exported_file_run(block: Block) -> None:
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module, reason="needs pip install 'swinkit[export]'")
    assert main(["export", "runs/finetune_detection", "--to", "onnx", "--out", "detector.onnx"]) == 0
    run_python(block)


@pytest.mark.parametrize("block", LOOKED_UP, ids=map(str, LOOKED_UP))
def test_names_in_blocks_of_python_exist(block: Block) -> None:
    nodes = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Attribute)]
    names = [node.attr for node in nodes if ast.unparse(node.value) == "swinkit"]
    assert names and all(hasattr(swinkit, name) for name in names)


@pytest.mark.slow
@pytest.mark.long
def test_quick_start(tmp_path: Path) -> None:
    """The README's first command, as it is written but for the environment, and then what it proposes."""
    first = next(block for block in SHELL if block.page.name == "README.md")
    command = first.text.rpartition("&&")[2].strip()
    assert command == ".venv/bin/swinkit train digits"
    words = [sys.executable, "-m", "swinkit", *command.split()[1:]]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    proposed = done.stdout.partition("Try next:\n")[2].splitlines()
    assert len(proposed) == 2 and (tmp_path / "runs" / "digits" / "best.safetensors").is_file()
    for line in proposed:
        subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, check=True)
