"""One ONNX file for all tests that read one."""

from pathlib import Path

import pytest
from exportable import EXAMPLE, SHAPES, tiny_classifier

from swinkit.export.comparison import Comparison, random_trial
from swinkit.export.onnx_file import write_onnx


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Comparison]]:
    out = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    return out, write_onnx(
        tiny_classifier(), out, metadata={"classes": "a"}, trial=random_trial(example=EXAMPLE, shapes=SHAPES)
    )


@pytest.fixture
def written(export: tuple[Path, list[Comparison]]) -> Path:
    return export[0]


@pytest.fixture
def compared(export: tuple[Path, list[Comparison]]) -> list[Comparison]:
    return export[1]
