import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from swinkit.errors import InputError
from swinkit.web import own_files, uploads
from swinkit.web.own_files import OwnFilesAlone
from swinkit.web.uploads import uploaded_image


def sent(path: Path, name: str = "mine.png") -> dict[str, Any]:
    return {"path": str(path), "orig_name": name, "url": f"http://127.0.0.1:7860/gradio_api/file={path}"}


def refusal(what: Any) -> str:
    with pytest.raises(InputError) as error:
        uploaded_image(what)
    return str(error.value)


def png(size: tuple[int, int] = (4, 3), colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_file_and_a_camera(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    for each in (
        sent(tmp_path / "a.png"),
        {"url": f"data:image/png;base64,{base64.b64encode(png()).decode()}", "path": None},
    ):
        image = uploaded_image(each)
        assert image is not None and image.size == (4, 3) and image.getpixel((0, 0)) == (255, 0, 0)
    assert uploaded_image(None) is None


def test_what_is_broken_is_a_sentence_with_its_name_and_without_its_place(tmp_path: Path) -> None:
    files = {"text": b"no picture", "empty": b"", "cut": png((90, 90))[:100]}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        sentence = refusal(sent(tmp_path / name))
        assert sentence.startswith("mine.png") and str(tmp_path) not in sentence
    assert "cannot read mine.png" in refusal(sent(tmp_path / "gone"))
    assert str(tmp_path) not in refusal(sent(tmp_path))  # a folder
    assert "did not arrive" in refusal({"path": 3})
    assert "camera" in refusal({"url": "data:image/png;base64,???"})
    assert "camera" in refusal({"url": "data:image/png;base64,AAAA"})


def test_bytes_and_pixels_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(png((40, 30)))
    monkeypatch.setattr(uploads, "MOST_PIXELS", 40 * 30 - 1)
    assert "mine.png has 40 x 30 pixels" in refusal(sent(tmp_path / "a.png"))
    monkeypatch.setattr(uploads, "MOST_BYTES", 20)
    assert "limit" in refusal(sent(tmp_path / "a.png"))
    assert "limit" in refusal({"url": f"data:image/png;base64,{base64.b64encode(png()).decode()}"})


def status(body: bytes, kind: bytes = b"application/json") -> int:
    """What becomes of a request: 200 where it reaches the app, whole."""
    messages: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        assert message["body"] == body and not message["more_body"]
        await send({"type": "http.response.start", "status": 200})

    async def run() -> None:
        halves = [
            {"type": "http.request", "body": body[:5], "more_body": True},
            {"type": "http.request", "body": body[5:], "more_body": False},
        ]
        if not kind.startswith(b"application/json"):
            halves = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return halves.pop(0)

        async def send(message: Any) -> None:
            messages.append(message)

        await OwnFilesAlone(app)({"type": "http", "headers": [(b"content-type", kind)]}, receive, send)

    asyncio.run(run())
    return int(messages[0]["status"])


def test_addresses_are_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"data": [{"path": "/tmp/x/a.png", "url": "http://127.0.0.1:1/file=/tmp/x/a.png", "meta": {}}]}
    assert status(json.dumps(own).encode()) == 200
    for address in ("http://example.org/a.png", "HTTPS://example.org/a.png"):
        assert status(json.dumps({"data": [[{"path": address, "meta": {}}]]}).encode()) == 400
    assert status(rb'{"data": [{"path": "\u0068ttp://example.org/a.png"}]}') == 400
    assert status(b"no json") == 400
    assert status(b'"path": "http://..."', b"multipart/form-data; boundary=x") == 200
    monkeypatch.setattr(own_files, "MOST_JSON", 10)
    assert status(json.dumps(own).encode()) == 400
