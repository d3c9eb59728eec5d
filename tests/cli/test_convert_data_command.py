"""`swinkit convert-data` writes the json and says what is in it."""

from pathlib import Path

import pytest
from PIL import Image

from swinkit.cli.convert_data import convert_data_command
from swinkit.errors import InputError


def test_yolo_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("images", "labels"):
        (tmp_path / "in" / folder).mkdir(parents=True)
    Image.new("RGB", (40, 30)).save(tmp_path / "in/images/a.png")
    (tmp_path / "in/labels/a.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    arguments = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--classes-file", str(tmp_path / "names.txt")]
    convert_data_command(arguments)
    path = tmp_path / "out/annotations/objects.json"
    said = capsys.readouterr().out
    assert said == f"{path}: 1 images, 1 objects\n\nTry next:\n  swinkit check-data {tmp_path / 'out'}\n"
    assert '"name": "dog"' in path.read_text()
    with pytest.raises(InputError, match="exists already"):
        convert_data_command(arguments)
    with pytest.raises(InputError, match="found no VOC data"):
        convert_data_command([*arguments, "--format", "voc"])
