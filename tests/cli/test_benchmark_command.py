"""swinkit benchmark."""

import json
from pathlib import Path

import pytest
from PIL import Image

from swinkit import VARIANTS, SwinConfig
from swinkit.cli import benchmark
from swinkit.cli.benchmark import benchmark_command
from swinkit.errors import InputError

TINY = SwinConfig(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_size=4, image_size=(32, 32))
SMALL = ["--models", "tiny", "--batch", "1", "--height", "32", "--rounds", "2", "--device", "cpu", "--out", "results"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(VARIANTS, "tiny", TINY)
    monkeypatch.setattr(benchmark, "AREA_SIZES", (32, 64))


@pytest.mark.parametrize("what", ["models", "attention", "area"])
def test_table_json_and_picture(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark_command([what, *SMALL, "--libraries", "swinkit"])
    text = capsys.readouterr().out
    (results,), (picture,) = Path("results").glob("*.json"), Path("results").glob("*.png")
    assert results.name.startswith(f"{what}-") and str(results) in text and str(picture) in text
    found = json.loads(results.read_text())
    assert found["machine"]["versions"]["torch"] and found["machine"]["device"]
    assert len(found["rows"]) == {"models": 2, "attention": 2 * 4 * 4, "area": 2 * 2}[what]
    assert all(row["rounds"] == 2 and row["milliseconds"] > 0 for row in found["rows"])
    assert Image.open(picture).size[0] > 300


def test_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    benchmark_command(["models", *SMALL, "--modes", "inference", "--libraries", "swinkit", "--markdown"])
    assert "| swinkit | " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--models", "swin_x"], "no model 'swin_x'"),
        (["--rounds", "0"], "at least 1"),
        (["--models", "tiny", "--libraries", "torchvision", "--device", "cpu"], "has what is asked for"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        benchmark_command(arguments)
    assert not Path("benchmarks").exists()
