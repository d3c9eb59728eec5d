"""8-bit weights: reported as they are, kept only where they are faster."""

from pathlib import Path

import pytest
import torch
from exportable import needs_onnx

from swinkit.errors import InputError
from swinkit.export import int8
from swinkit.export.int8 import Int8Report, quantize_onnx


@needs_onnx
@pytest.mark.parametrize("is_faster", [True, False])
def test_reported_and_kept_only_where_faster(
    written: Path, tmp_path: Path, is_faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "LEAST_GAIN", 0.0 if is_faster else 1e9)
    out = tmp_path / "int8.onnx"
    report = quantize_onnx(written, out, torch.randn(6, 3, 32, 32))
    assert report.images == 6
    assert 0.0 < report.largest_change < 0.2
    assert report.agreement >= 0.5
    assert report.is_faster == is_faster
    assert [path.name for path in tmp_path.iterdir()] == (["int8.onnx"] if is_faster else [])


def test_what_counts_as_faster() -> None:
    report = Int8Report(images=1, agreement=1.0, largest_change=0.0, milliseconds=10.0, milliseconds_int8=9.9)
    assert not report.is_faster
    assert report._replace(milliseconds_int8=5.0).is_faster
    assert report._replace(milliseconds_int8=5.0).gain == 2.0


@needs_onnx
def test_no_images_is_an_error(written: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give at least one"):
        quantize_onnx(written, tmp_path / "a.onnx", torch.empty(0, 3, 32, 32))
