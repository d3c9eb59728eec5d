"""ONNX files opened: what they say is taken, and what is no file of swinkit's is a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from exportable import needs_onnx, tiny_classifier
from small_exports import noise

from swinkit.classification.data.preprocessing import EvalPreprocessing
from swinkit.classification.exported import classifier_metadata
from swinkit.classification.predictor import Classifier
from swinkit.errors import InputError
from swinkit.export import runtimes
from swinkit.export.runtimes import is_exported, median_seconds, open_exported
from swinkit.opening import open_model
from swinkit.structures import Views

CLASSES = ("a", "b", "c", "d", "é")


def with_metadata(written: Path, out: Path, metadata: dict[str, str]) -> Path:
    import onnx

    file = onnx.load(str(written))
    del file.metadata_props[:]
    for key, value in metadata.items():
        file.metadata_props.add(key=key, value=value)
    onnx.save(file, str(out))
    return out


@needs_onnx
def test_an_exported_classifier_is_opened_and_says_what_the_model_says(written: Path, tmp_path: Path) -> None:
    shown = EvalPreprocessing(32, shorter_side=36)
    plain = Classifier(tiny_classifier(), classes=CLASSES, preprocessing=shown)
    out = with_metadata(written, tmp_path / "a.onnx", classifier_metadata(plain))
    opened = open_model(out)
    assert isinstance(opened, Classifier) and opened.classes == CLASSES and opened.preprocessing == shown
    for views in (Views(), Views(scales=(32, 40), flip=True)):
        found, expected = (each.predict([noise(50, 40), noise(40, 60)], views=views) for each in (opened, plain))
        assert isinstance(found, list) and isinstance(expected, list)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.classes == theirs.classes
            assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-5)
    assert "5 classes" in repr(opened)
    with pytest.raises(InputError, match="runs on the CPU"):
        open_model(out, device="cuda")


@needs_onnx
@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({}, "does not say what its outputs are"),
        ({"format": "swinkit", "task": "classification", "classes": "[]"}, "does not say what its outputs are"),
        ({"format": "swinkit", "task": "classification", "classes": "[]", "preprocessing": "{}"}, "names no classes"),
        ({"format": "swinkit", "task": "classification", "classes": "[", "preprocessing": "{}"}, "is not JSON"),
        ({"format": "swinkit", "task": "poetry", "classes": '["a"]', "preprocessing": "{}"}, "a model for poetry"),
        (
            {"format": "swinkit", "task": "detection", "classes": '["a"]', "preprocessing": "{}", "masks": "x"},
            "masks of an unknown kind",
        ),
    ],
)
def test_what_does_not_describe_itself_is_refused(
    written: Path, tmp_path: Path, metadata: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        open_model(with_metadata(written, tmp_path / "a.onnx", metadata))


def test_what_is_no_onnx_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    text = tmp_path / "a.onnx"
    text.write_text("no graph")
    for path, sentence in ((text, "is no ONNX file"), (tmp_path / "b.onnx", "there is no file")):
        with pytest.raises(InputError, match=sentence):
            open_exported(path)
    monkeypatch.setattr(runtimes, "missing_packages", lambda names: names)
    with pytest.raises(InputError, match="pip install"):
        open_exported(text)
    assert is_exported("a/b.onnx") and not is_exported("onnx") and not is_exported("model.safetensors")


COME_AND_GO = """
import os, pathlib, signal, sys
from swinkit.export.runtimes import has_bf16, load_openvino
signal.signal(signal.SIGUSR1, lambda *_: print("handled", end=""))
first = load_openvino(pathlib.Path(sys.argv[1]))
has_bf16()
second = load_openvino(pathlib.Path(sys.argv[1]))
del first
del second
os.kill(os.getpid(), signal.SIGUSR1)
"""


@needs_onnx
def test_signals_are_handled_after_models_of_openvino_came_and_went(written: Path) -> None:
    """OpenVINO may leave a signal stack behind that is freed, and then the kernel ends the process."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    done = subprocess.run((sys.executable, "-c", COME_AND_GO, written), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "handled"), done.stderr


def test_times_are_taken_in_turns() -> None:
    calls: list[str] = []

    def worker(name: str) -> object:
        return lambda images: (calls.append(name), images)[1:]

    found = median_seconds({name: worker(name) for name in "ab"}, torch.zeros(1))  # type: ignore[misc]
    assert calls == ["a", "b"] * (runtimes.ROUNDS + 1) and set(found) == {"a", "b"} and min(found.values()) >= 0
