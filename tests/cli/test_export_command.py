"""swinkit export."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_exports import noise, predictor

from swinkit import SwinClassifier, SwinConfig
from swinkit.cli import export, exportable
from swinkit.cli.evaluate import evaluate_command
from swinkit.cli.export import IN_BF16, beside, export_command
from swinkit.cli.predict import predict_command
from swinkit.errors import InputError
from swinkit.export import onnx_file, runtimes
from swinkit.export.comparison import random_trial
from swinkit.export.runtimes import ONNX_RUNTIME, OPENVINO

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
    monkeypatch.setattr(exportable, "random_trial", partial(random_trial, example=(2, 48, 72), shapes=SHAPES))


@pytest.mark.slow
def test_a_torch_program(
    checkpoint: Path, small_comparisons: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    export_command([str(checkpoint), "--to", "torch"])
    text = capsys.readouterr().out
    assert "2 x 97 x 131: differs from PyTorch by" in text and "model.pt2" in text
    images = torch.randn(3, 3, 50, 70)
    said = {"swinkit.json": ""}
    found = torch.export.load(checkpoint.with_name("model.pt2"), extra_files=said).module()(images)
    assert json.loads(json.loads(said["swinkit.json"])["classes"]) == ["0", "1", "2"]
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
    assert "PyTorch" in text and "ONNX Runtime" in text and " ms" in text
    predict_command([str(checkpoint), str(pictures), "--json", "--device", "cpu"])
    expected = json.loads(capsys.readouterr().out)
    predict_command(["a.onnx", str(pictures), "--json"])
    for ours, theirs in zip(json.loads(capsys.readouterr().out), expected, strict=True):
        for one, other in zip(ours["predictions"], theirs["predictions"], strict=True):
            assert one == {"class": other["class"], "probability": pytest.approx(other["probability"], abs=1e-4)}
    with pytest.raises(InputError, match="swinkit evaluate needs the checkpoint"):
        evaluate_command(["a.onnx"])


@pytest.mark.parametrize("is_faster", [True, False])
def test_bf16_is_offered_where_it_is_faster(
    is_faster: bool,
    checkpoint: Path,
    pictures: Path,
    small_comparisons: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it changes is told on the images given; `swinkit predict` takes it, and says the same of it."""
    for name in ("onnx", "onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    seconds = {"PyTorch": 0.3, ONNX_RUNTIME: 0.2, OPENVINO: 0.2, IN_BF16: 0.1 if is_faster else 0.2}
    monkeypatch.setattr(export, "median_seconds", lambda work, images: {name: seconds[name] for name in work})
    for module in (export, runtimes):
        monkeypatch.setattr(module, "has_bf16", lambda: True)
    export_command([str(checkpoint), "--to", "onnx", "--out", "a.onnx", "--bf16", "--images", str(pictures)])
    text = capsys.readouterr().out
    assert f"{IN_BF16} {1e3 * seconds[IN_BF16]:.0f} ms" in text
    assert ("bf16 is 2.00 times as fast" in text) == is_faster == ("on 3 images the class is the same in" in text)
    assert ("bf16 is no faster on this machine" in text) != is_faster
    predict_command(["a.onnx", str(pictures), "--json"])
    exact = json.loads(capsys.readouterr().out)
    predict_command(["a.onnx", str(pictures), "--json", "--precision", "bf16"])
    printed = capsys.readouterr()
    assert "times as fast as fp32 on this machine; on 3 images the class is the same" in printed.err
    for ours, theirs in zip(json.loads(printed.out), exact, strict=True):
        told = {each["class"]: each["probability"] for each in theirs["predictions"]}
        assert {each["class"]: pytest.approx(each["probability"], abs=0.02) for each in ours["predictions"]} == told
    monkeypatch.setattr(runtimes, "has_bf16", lambda: False)
    with pytest.raises(InputError, match="this processor does not compute in bf16; leave --precision out"):
        predict_command(["a.onnx", str(pictures), "--precision", "bf16"])


@pytest.mark.slow
def test_a_detector_goes_through_the_command_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exported, and run by `swinkit predict` with boxes, scores and masks of the checkpoint; refused where a runtime
    says something else, with nothing left behind."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    predictor("mask_rcnn").save_pretrained("detector")
    Path("pictures").mkdir()
    for number, size in enumerate(((100, 80), (70, 130), (41, 57))):
        noise(*size, seed=number).save(f"pictures/{number}.png")
    export_command(["detector", "--to", "onnx", "--images", "pictures"])
    text = capsys.readouterr().out
    assert "boxes by" in text and "one image of any height and width" in text and "ONNX Runtime" in text
    rows = []
    for source in ("detector", "detector/model.onnx"):
        predict_command([source, "pictures", "--json", "--threshold", "0.2"])
        rows.append(json.loads(capsys.readouterr().out))
    assert [len(each["objects"]) for each in rows[0]] == [len(each["objects"]) for each in rows[1]]
    for theirs, ours in zip(*([each for row in side for each in row["objects"]] for side in rows), strict=True):
        assert ours["class"] == theirs["class"] and ours["score"] == pytest.approx(theirs["score"], abs=1e-4)
        assert ours["box"] == pytest.approx(theirs["box"], abs=1e-2) and ours["mask"]["size"] == theirs["mask"]["size"]
    predict_command(["detector/model.onnx", "pictures", "--out", "predictions"])
    assert len(list(Path("predictions").iterdir())) == 3
    before = sorted(Path().iterdir())
    monkeypatch.setattr(onnx_file, "load_onnx", lambda path: lambda images: (torch.zeros(1, 4),) * 3)
    with pytest.raises(InputError, match=r"the exported file differs from the model .* not written"):
        export_command(["detector", "--to", "onnx", "--images", "pictures", "--out", "other.onnx"])
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{file}", "--to", "onnx", "--out", "there.onnx"], "there.onnx exists already"),
        (["{file}", "--to", "onnx", "--out", "no/a.onnx"], "there is no folder no"),
        (["{file}", "--to", "onnx", "--out", "a.pt2"], "ending .onnx"),
        (["{file}", "--to", "onnx", "--int8"], "--images"),
        (["{file}", "--to", "onnx", "--images", "pictures"], "--images is for detectors"),
        (["{file}", "--to", "torch", "--bf16"], "give --to onnx"),
        (["{file}", "--to", "torch", "--int8", "--images", "pictures"], "give --to onnx"),
        (["{file}", "--to", "onnx", "--int8", "--images", "nothing"], "holds no image"),
        (["no-such-model", "--to", "torch"], "no-such-model"),
        (["there.onnx", "--to", "onnx", "--out", "new.onnx"], "is an exported file already"),
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
    assert beside(checkpoint, ".onnx") == Path(out)


def test_a_missing_package_is_said_before_anything_else(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "PACKAGES", ("a_package_nobody_has",))
    with pytest.raises(InputError, match="a_package_nobody_has"):
        export_command([str(checkpoint), "--to", "onnx"])
