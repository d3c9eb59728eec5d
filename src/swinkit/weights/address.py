"""What the web is asked for, and what its answer says about the file in it."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from typing import IO, Any, Self
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from swinkit.errors import InputError, border

MOST_UNPACKED = 20
"""Weights hardly pack: more than so many times what came is none of them."""


@dataclass(frozen=True)
class Address:
    """An http or https address; as text it is without name, password and query, which may be secrets."""

    url: str
    """Without name and password."""
    shown: str
    credentials: str | None = None
    """Name and password for the server, as its header has them."""

    @classmethod
    def parsed(cls, url: str) -> Self:
        """Raises InputError where this is no http or https address."""
        bare = url.rpartition("@")[2] if "@" in url else url
        with border(f"{bare} is no address that can be used", "give an https address, or the path of a file"):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise InputError(f"{bare} is no http or https address; give one, or the path of a file")
            if not url.isprintable() or " " in url:
                raise InputError(f"{bare} has a blank or what cannot be printed; write it as %20 and the like")
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            place = host if parts.port is None else f"{host}:{parts.port}"
            place.encode("idna" if not place.isascii() else "ascii")
            credentials = None
            if parts.username is not None:
                pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
                credentials = f"Basic {base64.b64encode(pair.encode()).decode()}"
            plain = parts._replace(netloc=place, fragment="")
            return cls(plain.geturl(), plain._replace(query="").geturl(), credentials)

    def __str__(self) -> str:
        return self.shown


def open_address(address: Address, headers: dict[str, str], *, timeout: float) -> HTTPResponse:
    """The server's answer, whatever redirects lead to it; raises what urllib raises where there is none."""
    request = Request(address.url, headers=headers)
    if address.credentials is not None:
        request.add_unredirected_header("Authorization", address.credentials)  # for this server alone
    response: HTTPResponse = build_opener(_Redirects).open(request, timeout=timeout)
    return response


class _Redirects(HTTPRedirectHandler):
    """Follows redirects to http and https alone, and from https never to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old, new) == ("https", "http"):
            raise URLError(f"it leads to an address of the kind {new[:20]!r}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass(frozen=True)
class Answer:
    """What an answer's head says."""

    status: int
    start: int
    """The byte of the file that it begins with; -1 where it does not say."""
    total: int | None
    """Bytes of the whole file; None where that is not said."""
    says_end: bool
    """Whether its end can be told from a broken connection."""
    version: str | None
    """What tells this version of the file from others, byte for byte; None where nothing does."""
    encoding: str

    @classmethod
    def of(cls, response: HTTPResponse) -> Self:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        is_packed = encoding != "identity"
        is_chunked = bool(response.chunked)
        length = None if is_chunked else response.length
        start, total = 0, length
        if response.status == 206:
            start, total = _range(response.headers.get("Content-Range", ""))
            if length is not None and total is not None and start + length > total:
                start = -1
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if version is not None and (version.startswith("W/") or is_packed):
            version = None
        return cls(
            response.status, start, None if is_packed else total, is_chunked or length is not None, version, encoding
        )

    def decoder(self) -> Decoder:
        """What makes the file's bytes of those that come. Raises InputError where the encoding is unknown."""
        if self.encoding not in ("identity", "gzip", "x-gzip"):
            raise InputError(f"the server packs the file as {self.encoding!r}, which is not known; get it another way")
        return Decoder(is_packed=self.encoding != "identity")


class Decoder:
    """Bytes as they come to bytes of the file."""

    def __init__(self, *, is_packed: bool) -> None:
        self._unpacker: Any = zlib.decompressobj(16 + zlib.MAX_WBITS) if is_packed else None
        self._came = self._given = 0

    @property
    def is_whole(self) -> bool:
        """Whether a packed file has come to its own end."""
        return self._unpacker is None or self._unpacker.eof

    def decoded(self, chunk: bytes) -> bytes:
        if self._unpacker is None:
            return chunk
        self._came += len(chunk)
        most = MOST_UNPACKED * self._came + 2**20 - self._given
        with border("what the server sent is packed and damaged", "get the file another way"):
            content: bytes = self._unpacker.decompress(chunk, max(1, most))
        self._given += len(content)
        if self._unpacker.unconsumed_tail:
            raise InputError("what the server sent unpacks to far more than it is; get the file another way")
        return content


def _range(text: str) -> tuple[int, int | None]:
    """Start and total of a Content-Range such as "bytes 100-199/1000"; -1 where it is none."""
    span, _, total = text.removeprefix("bytes ").partition("/")
    start = span.partition("-")[0]
    if not (start.isascii() and start.isdigit() and total.isascii() and total.isdigit()):
        return -1, None
    return int(start), int(total)
