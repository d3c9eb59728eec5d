"""swinkit export."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from swinkit import SwinClassifier, SwinConfig
from swinkit.cli import export as command
from swinkit.cli.export import export_command
from swinkit.errors import InputError
from swinkit.export import onnx_file

SHAPES = ((1, 64, 64), (2, 97, 131))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = SwinConfig(embed_dim=8, depths=(2, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
    folder = tmp_path / "my model"
    SwinClassifier(config, num_classes=3).save_pretrained(folder)
    return folder / "model.safetensors"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def small_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command compares takes long in tests of other things."""

    def writer(write: Any) -> Any:
        return lambda *arguments, **named: write(*arguments, **named, example=(2, 48, 72), shapes=SHAPES)

    monkeypatch.setattr(command, "write_onnx", writer(command.write_onnx))
    monkeypatch.setattr(command, "write_program", writer(command.write_program))


@pytest.mark.slow
def test_a_torch_program(
    checkpoint: Path, small_comparisons: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    export_command([str(checkpoint), "--to", "torch"])
    text = capsys.readouterr().out
    assert "2 x 97 x 131: differs from PyTorch by at most" in text and "model.pt2" in text
    images = torch.randn(3, 3, 50, 70)
    found = torch.export.load(checkpoint.with_name("model.pt2")).module()(images)
    assert torch.allclose(found, SwinClassifier.from_pretrained(checkpoint)(images), atol=1e-5)


def test_onnx_with_classes_and_an_8_bit_report(
    checkpoint: Path, pictures: Path, small_comparisons: None, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    export_command([str(checkpoint), "--to", "onnx", "--out", "a.onnx", "--int8", "--images", str(pictures)])
    text = capsys.readouterr().out
    assert "a.onnx: " in text and "on 3 images: the same class for" in text
    assert ("no 8-bit file" in text) != Path("a_int8.onnx").exists()
    metadata = {each.key: each.value for each in onnx.load("a.onnx").metadata_props}
    assert json.loads(metadata["classes"]) == ["0", "1", "2"]
    assert json.loads(metadata["preprocessing"])["mean"] == [0.485, 0.456, 0.406]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{file}", "--to", "onnx", "--out", "there.onnx"], "there.onnx exists already"),
        (["{file}", "--to", "onnx", "--out", "no/a.onnx"], "there is no folder no"),
        (["{file}", "--to", "onnx", "--out", "a.pt2"], "ending .onnx"),
        (["{file}", "--to", "onnx", "--int8"], "--images"),
        (["{file}", "--to", "onnx", "--images", "pictures"], "give both or neither"),
        (["{file}", "--to", "torch", "--int8", "--images", "pictures"], "give --to onnx"),
        (["{file}", "--to", "onnx", "--int8", "--images", "nothing"], "holds no image"),
        (["no-such-model", "--to", "torch"], "no-such-model"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], sentence: str, checkpoint: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "PACKAGES", ())
    Path("there.onnx").touch()
    Path("nothing").mkdir()
    before = sorted(Path().iterdir())
    with pytest.raises(InputError) as caught:
        export_command([each.format(file=checkpoint) for each in arguments])
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("checkpoint", "out"),
    [
        ("there/run", "there/run/best.onnx"),
        ("there/run/last.safetensors", "there/run/last.onnx"),
        ("there/hub/", "there/hub/model.onnx"),
        ("swin_tiny_patch4_window7_224", "swin_tiny_patch4_window7_224.onnx"),
        ("hf-hub:me/swin", "swin.onnx"),
        ("https://example.org/w/swin.pth", "swin.onnx"),
    ],
)
def test_the_file_goes_beside_the_checkpoint(checkpoint: str, out: str) -> None:
    for name in ("run/best.safetensors", "run/last.safetensors", "hub/model.safetensors"):
        (Path("there") / name).parent.mkdir(parents=True, exist_ok=True)
        (Path("there") / name).touch()
    assert command._beside(checkpoint, ".onnx") == Path(out)


def test_a_missing_package_is_said_before_anything_else(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "PACKAGES", ("a_package_nobody_has",))
    with pytest.raises(InputError, match="a_package_nobody_has"):
        export_command([str(checkpoint), "--to", "onnx"])
