"""The page as it is served, without a browser, see test_browser.py for that."""

from __future__ import annotations

import json
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_predictors import OF_TASKS, classifier, counted, image

pytest.importorskip("gradio", reason="gradio, of the extra web, is not installed")
pytest.importorskip("contourpy", reason="contourpy, of the extra web, is not installed")

from swinkit.errors import InputError
from swinkit.web.examples import write_examples
from swinkit.web.looking import ShownModel
from swinkit.web.server import bound_socket, served

MODELS = [ShownModel(task, task, make()) for task, make in OF_TASKS.items()]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a page with a model of each task, served from an empty folder."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("elsewhere")
    os.chdir(folder)
    try:
        with served(MODELS, host="127.0.0.1", port=None) as found:
            yield found
        assert not list(folder.iterdir())
    finally:
        os.chdir(before)


def got(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def posted(url: str, content: Any) -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_page_names_no_other_host(address: str) -> None:
    text = got(address)
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']((?:https?:)?//[^\"']+)", text)
    assert [url for url in loaded if "127.0.0.1" not in url and "localhost" not in url] == []
    config = json.loads(got(f"{address}/config"))
    assert not config["analytics_enabled"] and config["max_file_size"] == 20 * 2**20
    assert "fonts.googleapis" not in text + got(f"{address}/theme.css")


def test_a_model_has_one_request_at_a_time(tmp_path: Path) -> None:
    """What shows pictures to a model, from the file and from the camera, waits in one queue; sliders wait in none."""
    from swinkit.web.page import build_page

    functions = list(build_page(MODELS, examples=[], folder=tmp_path).fns.values())
    queues = [each.concurrency_id for each in functions if str(each.name) == "look"]
    assert queues == [f"model-{number}" for number in (0, 0, 1, 1, 2, 2)]
    assert all(each.concurrency_limit == 1 and each.queue for each in functions if str(each.name) == "look")
    sliders = [each for each in functions if str(each.name) == "refiltered"]
    assert len(sliders) == 3 and not any(each.queue for each in sliders)


def test_addresses_are_refused(address: str) -> None:
    url = f"{address}/gradio_api/queue/join"
    data = [{"path": "http://127.0.0.1:9/a.png", "meta": {"_type": "gradio.FileData"}}, 0, 1]
    code, answer = posted(url, {"data": data, "fn_index": 0, "session_hash": "x"})
    assert code == 400 and "uploaded" in answer


def test_files_of_the_machine_are_neither_given_out_nor_looked_at(address: str, tmp_path: Path) -> None:
    image().save(tmp_path / "secret.png")
    with pytest.raises(urllib.error.HTTPError):
        got(f"{address}/gradio_api/file={tmp_path / 'secret.png'}")
    data = [{"path": str(tmp_path / "secret.png"), "meta": {"_type": "gradio.FileData"}}, 0, 3]
    code, answer = posted(f"{address}/gradio_api/call/look_0", {"data": data})
    assert code == 200
    events = got(f"{address}/gradio_api/call/look_0/{json.loads(answer)['event_id']}")
    assert "event: error" in events and "<li" not in events


def looked(address: str, path: Path, *, model: int = 0, least: float = 0, top: int = 3) -> Any:
    from gradio_client import Client, handle_file

    client = Client(address, verbose=False, analytics_enabled=False)
    try:
        return client.predict(handle_file(str(path)), least, top, api_name=f"/look_{model}")
    finally:
        client.close()


@pytest.mark.parametrize("number", range(3))
def test_uploads_and_broken_ones(number: int, address: str, tmp_path: Path) -> None:
    image().save(tmp_path / "mine.png")
    result, note = looked(address, tmp_path / "mine.png", model=number)
    assert 'class="problem"' not in result and ("<li" in result or "Nothing found" in result)
    assert f"<h2>{MODELS[number].name}</h2>" in note and " s</span>" in note
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no more")
    result, _ = looked(address, tmp_path / "broken.png", model=number)
    assert result.startswith('<p class="problem" role="alert">broken.png is') and "Traceback" not in result


def test_sliders_need_no_forward_pass() -> None:
    from swinkit.web.page import looking, refiltered

    model = ShownModel("a", "classification", classifier())
    calls = counted(model.predictor)
    with tempfile.TemporaryDirectory() as folder:
        image().save(Path(folder) / "a.png")
        kept, html, _ = looking(model)({"path": f"{folder}/a.png", "orig_name": "a.png"}, 0, 3)
    assert len(calls) == 1
    one, three = refiltered(kept, 0, 1), refiltered(kept, 0, 3)
    assert one.count("<li") == 1 and three == html and len(calls) == 1
    # What is no number, or out of its range, is no error.
    assert refiltered(kept, 1e9, -4).count("<li") == 1
    assert looking(model)(None, "x", None)[0] is None
    assert "Drop a picture" in refiltered(None, 0, 3)  # kept no longer


def test_downloads(tmp_path: Path) -> None:
    from PIL import Image

    from swinkit.web.page import write_result

    looked_at = ShownModel("a", "classification", classifier()).look(image(), "mine")
    write_result(looked_at, 0, 2, tmp_path / "x" / "a.png")
    write_result(looked_at, 0, 2, tmp_path / "y" / "a.json")
    with Image.open(tmp_path / "x" / "a.png") as picture:
        assert picture.width > 300
    assert len(json.loads((tmp_path / "y" / "a.json").read_text())["predictions"]) == 2


def test_the_temporary_folder_goes_with_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with served(MODELS[:1], host="127.0.0.1", port=None):
        (folder,) = tmp_path.glob("swinkit-web-*")
        assert list((folder / "examples").glob("*.png"))
    assert not list(tmp_path.glob("swinkit-web-*"))


def test_a_port_that_is_taken() -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} .*--port"):
            bound_socket("127.0.0.1", port)
    for host, number in (("256.1.1.1", 80), ("127.0.0.1", 70000), ("127.0.0.1", -1)):
        with pytest.raises(InputError, match="cannot serve"):
            bound_socket(host, number)
    with bound_socket("127.0.0.1", None) as first, bound_socket("127.0.0.1", None) as second:
        assert 7860 <= first.getsockname()[1] < second.getsockname()[1] < 7880


def test_examples(tmp_path: Path) -> None:
    assert len(write_examples(tmp_path, ["classification"])) == 4
    assert len(write_examples(tmp_path, ["detection", "classification"])) == 8
