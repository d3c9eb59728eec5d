import os
from pathlib import Path
from typing import Any

import pytest

from swinkit.cli import main, web
from swinkit.web import server


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be opened and served, in the place of doing it."""
    calls: list[Any] = []
    monkeypatch.setattr(web, "require_gradio", lambda: None)
    monkeypatch.setattr(web.ShownModel, "open", lambda source, name, device: (source, name))
    monkeypatch.setattr(web, "serve", lambda models, host, port, ready: calls.append((models, host, port)))
    return calls


def runs(*names: str) -> None:
    for number, name in enumerate(names):
        path = Path("runs") / name / "best.safetensors"
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (1000 + number, 1000 + number))


def test_checkpoints_side_by_side(opened: list[Any]) -> None:
    assert main(["web", "runs/a", "b/best.safetensors", "x/a", "--port", "8000"]) == 0
    assert opened == [([("runs/a", "a"), ("b/best.safetensors", "b"), ("x/a", "a (2)")], "127.0.0.1", 8000)]


def test_without_a_checkpoint_the_newest_run(opened: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["web"]) == 2
    assert capsys.readouterr().err == (
        "swinkit: there is no trained model in runs/; name one with swinkit web CHECKPOINT, or train one with swinkit "
        "train digits\n"
    )
    runs("z", "new")
    assert main(["web"]) == 0
    assert opened == [([("runs/new", "new")], "127.0.0.1", None)]
    assert "runs/new, the newest of 2 runs" in capsys.readouterr().err


def test_a_checkpoint_that_is_none(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "require_gradio", lambda: None)
    assert main(["web", "gone"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("swinkit: gone is neither a file nor the name")


def test_without_gradio(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    assert main(["web", "runs/a"]) == 2
    assert capsys.readouterr().err == "swinkit: the page needs gradio; install it with pip install 'swinkit[web]'\n"


def test_ctrl_c_is_the_way_to_end_it(opened: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(web, "serve", stopped)
    assert main(["web", "runs/a"]) == 0
    assert capsys.readouterr().err == "\nstopped\n"
