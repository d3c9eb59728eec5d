"""Whatever a server does, a file that has its name is whole."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from misbehaving_server import Sent, chunked, serving, whole
from safetensors.torch import save

from swinkit.errors import InputError
from swinkit.weights import download
from swinkit.weights.download import fetch

A = save({"weight": torch.arange(2**16)})  # half a MiB
B = save({"weight": torch.arange(2**16) + 1})
C = save({"weight": torch.arange(2**17)})
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>" * 100
CUT = 300_000
ETAG = '\nETag: "a"'


def zipped() -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": torch.arange(2**12)}, buffer)
    return buffer.getvalue()


def cut(content: bytes = A, more: str = ETAG, at: int = CUT, end: str = "close") -> Sent:
    return Sent(f"HTTP/1.1 200 OK\nContent-Length: {len(content)}\nConnection: close{more}", content[:at], end)


def rest(content: bytes = A, more: str = ETAG, *, total: object = None, start: int = CUT) -> Sent:
    body = content[start:]
    span = f"bytes {start}-{len(content) - 1}/{total or len(content)}"
    head = f"HTTP/1.1 206 Partial Content\nContent-Length: {len(body)}\nContent-Range: {span}\nConnection: close"
    return Sent(f"{head}{more}", body)


def status(code: str, body: bytes = b"", more: str = "") -> Sent:
    return Sent(f"HTTP/1.1 {code}\nContent-Length: {len(body)}\nConnection: close{more}", body)


def moved(to: str) -> Sent:
    return status("302 Found", more=f"\nLocation: {to}")


def stamped(content: bytes, length: object, end: str = "close") -> Sent:
    return Sent(f"HTTP/1.1 200 OK\nContent-Length: {length}\nConnection: close", content, end)


PACKED = gzip.compress(A)
HEADLESS = Sent("HTTP/1.1 200 OK\nConnection: close", A)

REFUSED: dict[str, list[Sent]] = {
    "chunks cut off": [chunked(A[:CUT], end=b"")],
    "chunks cut off in a chunk": [chunked(A, end=b"8000\r\nabc")],
    "chunk of a size that is none": [chunked(A[:CUT], end=b"xyz\r\n")],
    "chunk of negative size": [chunked(A[:CUT], end=b"-5\r\nabc\r\n")],
    "no length": [HEADLESS],
    "no length and a reset": [Sent("HTTP/1.1 200 OK", A[:CUT], "reset")],
    "no length and silence": [Sent("HTTP/1.1 200 OK", A[:CUT], "stall")],
    "length and silence": [cut(end="stall")],
    "length and a reset": [cut(end="reset")],
    "shorter than announced": [cut(more="")],
    "204": [Sent("HTTP/1.1 204 No Content\nConnection: close")],
    "205": [status("205 Reset Content")],
    "202": [status("202 Accepted", A)],
    "empty": [whole(b"")],
    "login page": [whole(PAGE, "\nContent-Type: text/html")],
    "login page in chunks": [chunked(PAGE)],
    "login page after a redirect": [moved("http://127.0.0.1:PORT/login"), whole(PAGE)],
    "JSON": [whole(b'{"error": "not found"}')],
    "half a safetensors file": [whole(A[:CUT])],
    "half a zip file": [whole(zipped()[:10_000])],
    "zip without its list": [whole(zipped()[:-200])],
    "206 of another version": [cut(), rest(B, '\nETag: "b"'), cut(b"")],
    "206 of another length": [cut(), rest(C), cut(b"")],
    "206 without a version": [cut(), rest(B, ""), cut(b"")],
    "206 from another place": [cut(), rest(A, start=CUT - 7), cut(b"")],
    "206 without its range": [cut(), Sent(f"HTTP/1.1 206 Partial\nContent-Length: 5{ETAG}", b"12345"), cut(b"")],
    "206 with a range of words": [cut(), rest(A, total="many"), cut(b"")],
    "206 that was not asked for": [rest(A, start=CUT)],
    "weak version": [cut(more='\nETag: W/"a"'), rest(B, '\nETag: W/"a"'), cut(b"")],
    "416": [cut(), status("416 Range Not Satisfiable"), cut(b"")],
    "404": [status("404 Not Found", PAGE)],
    "401": [status("401 Unauthorized", PAGE, '\nWWW-Authenticate: Basic realm="x"')],
    "429 for ever": [status("429 Too Many Requests", more="\nRetry-After: 0")],
    "503 for ever": [status("503 Service Unavailable")],
    "file address": [moved("file:///etc/passwd")],
    "ftp address": [moved("ftp://127.0.0.1/x")],
    "data address": [moved("data:text/plain,hello")],
    "redirects in a ring": [moved("http://127.0.0.1:PORT/again")],
    "redirect to a port that is none": [moved("http://127.0.0.1:99999999/x")],
    "gzip cut off": [whole(PACKED[:-1000], "\nContent-Encoding: gzip")],
    "gzip that is none": [whole(A, "\nContent-Encoding: gzip")],
    "gzip bomb": [whole(gzip.compress(bytes(2**26)), "\nContent-Encoding: gzip")],
    "unknown encoding": [whole(zlib.compress(A), "\nContent-Encoding: br")],
    "no HTTP": [Sent("SSH-2.0-OpenSSH_9.9")],
    "head without end": [Sent("HTTP/1.1 200 OK\nX: " + "x" * 70_000, A)],
    "length that is none": [stamped(A, "many")],
    "negative length": [stamped(A, -1)],
    "length beyond all disks": [stamped(A[:CUT], 10**18)],
}

GIVEN: dict[str, tuple[list[Sent], bytes]] = {
    "chunks": ([chunked(A)], A),
    "gzip": ([whole(PACKED, "\nContent-Encoding: gzip")], A),
    "zip": ([whole(zipped())], zipped()),
    "429, then the file": ([status("429 Too Many Requests", more="\nRetry-After: 0"), whole(A)], A),
    "503 twice, then the file": ([status("503 Busy"), status("503 Busy"), whole(A)], A),
    "cut off, then the rest": ([cut(), rest()], A),
    "chunks cut off, then the rest": ([chunked(A[:CUT], end=b"", more=ETAG), rest()], A),
    "cut off, then another version": ([cut(), rest(B, '\nETag: "b"'), whole(B)], B),
    "cut off, then another version whole": ([cut(), whole(B, '\nETag: "b"')], B),
    "redirect": ([moved("http://127.0.0.1:PORT/there"), whole(A)], A),
    "206 of the whole": ([rest(A, start=0)], A),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.2)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_whole_gets_no_name(case: str, tmp_path: Path) -> None:
    with serving(REFUSED[case]) as server, pytest.raises(InputError) as caught:
        fetch(server.url(), cache=tmp_path, progress=False)
    assert str(caught.value).isprintable() and "get " in str(caught.value)
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith("swin.safetensors")]


@pytest.mark.parametrize("case", GIVEN)
def test_what_is_whole_is_kept(case: str, tmp_path: Path) -> None:
    answers, content = GIVEN[case]
    with serving(answers) as server:
        path = fetch(server.url(), cache=tmp_path, progress=False)
    assert path.read_bytes() == content
    assert {each.name for each in tmp_path.iterdir() if not each.name.endswith(".lock")} == {path.name}


def test_passwords_are_sent_to_their_server_alone_and_never_shown(tmp_path: Path) -> None:
    with serving([whole(PAGE)]) as other, serving([moved(other.url("there"))]) as server:
        url = server.url("x?token=hidden").replace("http://", "http://me:s3cret@")
        with pytest.raises(InputError) as caught:
            fetch(url, cache=tmp_path, progress=False)
        assert "Authorization: Basic bWU6czNjcmV0" in server.requests[0] and "token=hidden" in server.requests[0]
        assert "Authorization" not in other.requests[0]
    assert "s3cret" not in str(caught.value) and "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://a:b:c/x", "http://me:s3cret@host:port/x", "http://[::1/x", "http:///x", "http://h/a b", "http://\x00/"],
)
def test_addresses_that_are_none(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        fetch(url, cache=tmp_path, progress=False)
    assert "s3cret" not in str(caught.value) and str(caught.value).isprintable()


def test_zip_is_what_torch_writes() -> None:
    assert zipfile.is_zipfile(io.BytesIO(zipped()))
