"""swinkit tables."""

import json
from pathlib import Path

import pytest
from PIL import Image

from swinkit.cli.tables import tables_command
from swinkit.errors import InputError
from swinkit.tables import measuring
from swinkit.tables.paper import TABLES


def test_markdown_names_figures_counts_and_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    tables_command(["4", "7", "8"])
    text = capsys.readouterr().out
    assert "**Table 4. Shifted windows and positions, Swin-T**" in text and "Table 1." not in text
    assert "| no pos. | 80.1 | 94.9 | 49.2 | 42.6 | 43.8 | 28.27 | 4.49 | `imagenet1k_swin_t_no_position` |" in text
    assert "| Swin-L | 192 | 2,2,18,2 | 6,12,24,48 |" in text
    assert "| Swin-B at 224 [1] | 224 | 83.3 |" in text and "\n[1] Table 1 of the paper has 83.5" in text


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    tables_command(["8", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["machine"] is None
    row = found["tables"][0]["rows"][1]
    assert row["row"] == "Swin-T at 256" and row["parameters"] == 28_296_082
    assert row["recipe"] == "imagenet1k_swin_t_256_finetune_paper"
    assert row["paper_ratio"] == pytest.approx(580.9 / 755.2)


def test_measured_table_5(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With stages of one map's size and no whole Swin-T, which would take a minute."""
    ran = []
    monkeypatch.setattr(measuring, "_whole", lambda *_: lambda: ran.append("whole"))
    arguments = ["5", "--measure", "--rounds", "1", "--device", "cpu", "--columns", "S4", "T", "--out", str(tmp_path)]
    tables_command(arguments)
    text = capsys.readouterr().out
    assert text.startswith("Measured on ") and "1 rounds" in text and len(ran) == 3 * 6
    found = json.loads((tmp_path / "tables.json").read_text())
    rows = found["tables"][0]["rows"]
    assert len(rows) == 6 and all(set(row["measured"]) == {"S4", "T"} for row in rows)
    assert rows[-1]["measured_ratio"]["S4"] == 1.0
    assert (tmp_path / "tables.md").read_text() == text.removesuffix("\n")
    assert Image.open(tmp_path / "table5.png").size[0] > 300


def test_methods_are_the_rows_of_table_5() -> None:
    table = next(table for table in TABLES if table.name == "5")
    assert [row.name for row in table.rows] == list(measuring.METHODS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["10"], "no table 10"),
        (["5", "--rounds", "0"], "at least 1"),
        (["5", "--columns", "S9"], "S1, S2"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        tables_command(arguments)
