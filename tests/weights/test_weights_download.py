"""Downloads against a server on this machine that can be told to misbehave."""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from swinkit.errors import InputError
from swinkit.weights import download
from swinkit.weights.catalogue import CATALOGUE, PublishedWeights
from swinkit.weights.download import cache_folder, fetch

CONTENT = save({"weight": torch.arange(2**18)})  # 2 MiB


@dataclass
class Web:
    """What the server does, and what it was asked."""

    port: int = 0
    content: bytes = CONTENT
    etag: str | None = '"first"'
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers break off, one answer each."""
    says_length: bool = True
    requests: list[str] = field(default_factory=list)
    """The Range header of each request, or "all"."""

    def url(self, name: str = "swin.pth") -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "missing" in self.path:
                self.send_error(404)
                return
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            web.requests.append(self.headers.get("Range", "all"))
            is_same = self.headers.get("If-Range") == web.etag
            start = int(wanted[1]) if wanted and is_same else 0
            if start >= len(web.content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(web.content) - 1}/{len(web.content)}")
            if web.etag:
                self.send_header("ETag", web.etag)
            if web.says_length:
                self.send_header("Content-Length", str(len(web.content) - start))
            self.end_headers()
            end = start + web.cut_after.pop(0) if web.cut_after else len(web.content)
            self.wfile.write(web.content[start:end])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield web
    server.shutdown()
    server.server_close()


@pytest.fixture
def entry(web: Web) -> PublishedWeights:
    """Published weights on that server, with their hash."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    return replace(CATALOGUE["swin_t-704ceda3"], url=web.url(), sha256_prefix=digest[:8])


def left(folder: Path) -> set[str]:
    """What lies in the cache, but for locks."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_a_file_is_fetched_once(web: Web, entry: PublishedWeights, tmp_path: Path) -> None:
    for _ in range(2):
        path = fetch(entry, cache=tmp_path / "new" / "cache", progress=False)
        assert path.name == "swin.pth"
        assert path.read_bytes() == CONTENT
    assert web.requests == ["all"]
    assert left(path.parent) == {"swin.pth"}


def test_the_cache_folder_comes_from_the_environment(
    web: Web, entry: PublishedWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWINKIT_CACHE", str(tmp_path / "c"))
    assert fetch(entry, progress=False) == tmp_path / "c" / "swin.pth"
    monkeypatch.delenv("SWINKIT_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "swinkit"


def test_a_broken_transfer_continues_where_it_broke(web: Web, entry: PublishedWeights, tmp_path: Path) -> None:
    web.cut_after = [300_000, 200_000]
    assert fetch(entry, cache=tmp_path, progress=False).read_bytes() == CONTENT
    assert web.requests == ["all", "bytes=300000-", "bytes=500000-"]


def test_a_later_call_continues_too(web: Web, entry: PublishedWeights, tmp_path: Path) -> None:
    web.cut_after = [1000] * download.ATTEMPTS
    with pytest.raises(InputError, match="broke off; run the same again to continue"):
        fetch(entry, cache=tmp_path, progress=False)
    assert (tmp_path / "swin.pth.partial").stat().st_size == 1000 * download.ATTEMPTS
    assert not (tmp_path / "swin.pth").exists()
    assert fetch(entry, cache=tmp_path, progress=False).read_bytes() == CONTENT
    assert web.requests[-1] == "bytes=4000-"
    assert left(tmp_path) == {"swin.pth"}


@pytest.mark.parametrize("etag", ['"second"', None])
def test_a_file_that_changed_meanwhile_starts_afresh(
    web: Web, entry: PublishedWeights, tmp_path: Path, etag: str | None
) -> None:
    web.content, web.cut_after, web.etag = b"older" * 5000, [5000] * download.ATTEMPTS, etag and '"first"'
    with pytest.raises(InputError):
        fetch(entry, cache=tmp_path, progress=False)
    web.content, web.etag = CONTENT, etag
    assert fetch(entry, cache=tmp_path, progress=False).read_bytes() == CONTENT


def test_a_partial_file_longer_than_the_file_is_thrown_away(web: Web, entry: PublishedWeights, tmp_path: Path) -> None:
    (tmp_path / "swin.pth.partial").write_bytes(CONTENT + b"more")
    (tmp_path / "swin.pth.partial.etag").write_text(json.dumps({"version": '"first"', "total": len(CONTENT)}))
    assert fetch(entry, cache=tmp_path, progress=False).read_bytes() == CONTENT
    assert len(web.requests) == 2


def test_a_server_that_does_not_say_the_length(web: Web, entry: PublishedWeights, tmp_path: Path) -> None:
    web.says_length = False
    assert fetch(entry, cache=tmp_path, progress=False).read_bytes() == CONTENT  # its hash tells that it is whole
    with pytest.raises(InputError, match="does not say where the file ends"):
        fetch(web.url(), cache=tmp_path, progress=False)
    assert left(tmp_path) == {"swin.pth"}


def test_a_wrong_hash_leaves_nothing(web: Web, entry: PublishedWeights, tmp_path: Path) -> None:
    web.content = CONTENT[:-1] + b"!"
    with pytest.raises(InputError, match=rf"SHA-256 begins [0-9a-f]{{8}}, not {entry.sha256_prefix}"):
        fetch(entry, cache=tmp_path, progress=False)
    assert not left(tmp_path)


def test_not_found_says_the_address_and_what_to_do(web: Web, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        fetch(web.url("missing.pth"), cache=tmp_path, progress=False)
    message = str(caught.value)
    assert message.startswith(f"{web.url('missing.pth')} cannot be downloaded (the server answers 404 Not Found)")
    assert "give its path instead" in message
    assert "\n" not in message
    assert not left(tmp_path)


def test_a_refused_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=rf"http://127\.0\.0\.1:{port}/swin\.pth cannot be downloaded \(.*refused"):
        fetch(f"http://127.0.0.1:{port}/swin.pth", cache=tmp_path, progress=False)


def test_a_silent_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/swin.pth"
        with pytest.raises(InputError, match="timed out"):
            fetch(url, cache=tmp_path, progress=False)


def test_two_at_once_download_once(web: Web, entry: PublishedWeights, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch(entry, cache=tmp_path, progress=False), range(4)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert web.requests == ["all"]


def test_equal_names_from_two_addresses_do_not_meet(web: Web, tmp_path: Path) -> None:
    paths = {fetch(web.url(f"{owner}/model.bin"), cache=tmp_path, progress=False) for owner in ("a", "b")}
    assert len(paths) == 2


def test_a_cache_that_cannot_be_written(web: Web, entry: PublishedWeights, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="set SWINKIT_CACHE to another folder"):
        fetch(entry, cache=tmp_path / "file" / "cache", progress=False)


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/x", "swin.pth"])
def test_other_schemes_are_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no http or https address"):
        fetch(address, cache=tmp_path)


def test_the_bar_names_the_file(
    web: Web, entry: PublishedWeights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(entry, cache=tmp_path)
    captured = capsys.readouterr()
    assert "swin.pth" in captured.err
    assert captured.out == ""
