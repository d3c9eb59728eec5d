"""Files from the web into a cache folder: resumed where they were cut off, verified, and visible only when whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from swinkit.errors import InputError
from swinkit.files import is_file
from swinkit.weights.catalogue import PublishedWeights

ATTEMPTS = 4
"""How often a transfer that broke off is continued before giving up."""
PAUSE_SECONDS = 1.0
"""Wait before the second attempt; it grows with each."""
TIMEOUT_SECONDS = 30.0
"""Longest silence of the server."""
CHUNK_BYTES = 1 << 18


def cache_folder(cache: str | Path | None = None) -> Path:
    """Where downloads are kept: `cache`, else the environment variable SWINKIT_CACHE, else ~/.cache/swinkit."""
    folder = cache or os.environ.get("SWINKIT_CACHE")
    return Path(folder).expanduser() if folder else Path.home() / ".cache" / "swinkit"


def fetch(source: PublishedWeights | str, *, cache: str | Path | None = None, progress: bool = True) -> Path:
    """The local copy of published weights or of any http(s) URL, downloaded on first use.

    A transfer that breaks off is continued, also by a later call; several processes may ask for the same file at once,
    one of them downloads it. The size is compared with what the server announced, the SHA-256 with the published
    prefix where there is one.

    Args:
        source: an entry of `CATALOGUE`, or a URL.
        cache: see `cache_folder`.
        progress: show a bar with speed and remaining time on standard error.

    Raises:
        InputError: where the file cannot be had (offline, not found, broken off again and again, altered, no room);
            the sentence says how to give a file instead.
    """
    url = source if isinstance(source, str) else source.url
    folder = cache_folder(cache)
    target = folder / _file_name(source)
    if is_file(target):
        return target
    job = _Download(url, target, target.with_name(target.name + ".partial"), progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{target.name}.lock"):
            if not is_file(target):  # another process may have been faster
                job.run(None if isinstance(source, str) else source.sha256_prefix)
    except OSError as error:
        raise InputError(
            f"the download of {url} cannot be kept in {folder} ({error.strerror or error}); "
            "make room there or set SWINKIT_CACHE to another folder"
        ) from error
    return target


def _file_name(source: PublishedWeights | str) -> str:
    """The file's own name; for a URL outside the catalogue with the URL's hash, since such names repeat."""
    url = source if isinstance(source, str) else source.url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise InputError(f"{url} is no http or https address; give one, or the path of a file")
    name = PurePosixPath(parts.path).name or "weights"
    return f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{name}" if isinstance(source, str) else name


@dataclass(frozen=True)
class _Download:
    """One transfer, from `url` through `partial` to `target`."""

    url: str
    target: Path
    partial: Path
    progress: bool

    @property
    def stamp(self) -> Path:
        """Holds what the server said identifies the version of the file that `partial` is the start of."""
        return self.partial.with_name(self.partial.name + ".etag")

    def run(self, sha256_prefix: str | None) -> None:
        for attempt in range(ATTEMPTS):
            time.sleep(PAUSE_SECONDS * attempt)
            if self._transfer():
                break
        else:
            raise self._failure("the connection broke off; run the same again to continue")
        self._verify(sha256_prefix)
        self.stamp.unlink(missing_ok=True)
        self.partial.replace(self.target)

    def _transfer(self) -> bool:
        """Continue or start; True where the file is complete then."""
        have = self.partial.stat().st_size if is_file(self.partial) and is_file(self.stamp) else 0
        response = self._open(have)
        if response is None:
            return False
        with response:
            start = _range_start(response)
            if start not in (0, have):
                self._forget()
                return False
            total = _announced(response, start)
            self._keep_stamp(response, start)
            with self.partial.open("ab") as file:
                self._copy(response, file, start, total)
                os.fsync(file.fileno())
        return total is None or self.partial.stat().st_size == total

    def _keep_stamp(self, response: HTTPResponse, start: int) -> None:
        """Note the version before its first byte is written; without one, the transfer cannot be continued later."""
        if start == 0:
            self._forget()
        version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if version:
            self.stamp.write_text(version)

    def _open(self, have: int) -> HTTPResponse | None:
        """The server's answer, from byte `have` on if it can; None where the next attempt must start afresh."""
        headers = {"User-Agent": "swinkit", "Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": self.stamp.read_text()}
        try:
            response: HTTPResponse = urlopen(Request(self.url, headers=headers), timeout=TIMEOUT_SECONDS)
        except HTTPError as error:
            if error.code == 416 and have:
                self._forget()
                return None
            raise self._failure(f"the server answers {error.code} {error.reason}") from error
        except (URLError, OSError, HTTPException, ValueError) as error:
            raise self._failure(str(getattr(error, "reason", error))) from error
        return response

    def _copy(self, response: HTTPResponse, file: BinaryIO, start: int, total: int | None) -> None:
        """Append what arrives until the end or until the connection breaks off."""
        with self._bar(start, total) as advance:
            while True:
                try:
                    chunk = response.read(CHUNK_BYTES)
                except (OSError, HTTPException):
                    return
                if not chunk:
                    return
                try:
                    file.write(chunk)
                    file.flush()
                except OSError:
                    self._forget()
                    raise
                advance(len(chunk))

    def _verify(self, sha256_prefix: str | None) -> None:
        if sha256_prefix is None:
            return
        with self.partial.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not digest.startswith(sha256_prefix):
            self._forget()
            raise self._failure(f"the file's SHA-256 begins {digest[:8]}, not {sha256_prefix} as published")

    def _forget(self) -> None:
        self.partial.unlink(missing_ok=True)
        self.stamp.unlink(missing_ok=True)

    def _failure(self, reason: str) -> InputError:
        return InputError(
            f"{self.url} cannot be downloaded ({reason}); "
            f"get the file another way and give its path instead, or put it at {self.target}"
        )

    @contextlib.contextmanager
    def _bar(self, start: int, total: int | None) -> Iterator[Callable[[int], None]]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), disable=not self.progress) as progress:
            task = progress.add_task(self.target.name, completed=start, total=total)
            yield lambda count: progress.advance(task, count)


def _range_start(response: HTTPResponse) -> int:
    """The byte of the file that the answer begins with."""
    if response.status != 206:
        return 0
    span = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(span) if span.isdigit() else -1


def _announced(response: HTTPResponse, start: int) -> int | None:
    """The size of the whole file in bytes, if the server says it."""
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None
