"""Files from the web into a cache folder: resumed where they were cut off, verified, and visible only when whole.

Whole means: the end that the server announced was seen, a resumed part is of the same version, the SHA-256 is right
where one was published, and the file opens as weights.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlsplit

from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from swinkit.errors import InputError, reason_of
from swinkit.files import is_file
from swinkit.weights.address import Address, Answer, open_address
from swinkit.weights.catalogue import PublishedWeights
from swinkit.weights.read import check_is_weights

ATTEMPTS = 4
"""How often a transfer that broke off is continued before giving up."""
PAUSE_SECONDS = 1.0
"""Wait before the second attempt; it doubles with each."""
LONGEST_PAUSE = 60.0
"""Of what a busy server asks for, too."""
TIMEOUT_SECONDS = 30.0
"""Longest silence of the server; in so much time `LEAST_BYTES` must come."""
LEAST_BYTES = 4096
CHUNK_BYTES = 1 << 18
BUSY = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which it is worth asking again."""


def cache_folder(cache: str | Path | None = None) -> Path:
    """Where downloads are kept: `cache`, else the environment variable SWINKIT_CACHE, else ~/.cache/swinkit."""
    folder = cache or os.environ.get("SWINKIT_CACHE")
    return Path(folder).expanduser() if folder else Path.home() / ".cache" / "swinkit"


def fetch(source: PublishedWeights | str, *, cache: str | Path | None = None, progress: bool = True) -> Path:
    """The local copy of published weights or of weights at any http(s) URL, downloaded on first use.

    A transfer that breaks off is continued, also by a later call; several processes may ask for the same file at once,
    one of them downloads it. A busy server is asked again after growing pauses. The file gets its name when it is
    whole, see above. A name and password in the URL are sent to its server alone, and never printed.

    Args:
        source: an entry of `CATALOGUE`, or a URL.
        cache: see `cache_folder`.
        progress: show a bar with speed and remaining time on standard error.

    Raises:
        InputError: where the file cannot be had (offline, not found, broken off again and again, altered, no weights,
            no room); the sentence says how to give a file instead.
    """
    address = Address.parsed(source if isinstance(source, str) else source.url)
    folder = cache_folder(cache)
    target = folder / _file_name(source)
    if is_file(target):
        return target
    job = _Download(address, target, target.with_name(target.name + ".partial"), progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{target.name}.lock"):
            if not is_file(target):  # another process may have been faster
                job.run(None if isinstance(source, str) else source.sha256_prefix)
    except OSError as error:
        raise InputError(
            f"the download of {address} cannot be kept in {folder} ({reason_of(error)}); "
            "make room there or set SWINKIT_CACHE to another folder"
        ) from error
    return target


def _file_name(source: PublishedWeights | str) -> str:
    """The file's own name; for a URL outside the catalogue with the URL's hash, since such names repeat."""
    url = source if isinstance(source, str) else source.url
    name = (PurePosixPath(urlsplit(url).path).name or "weights")[-100:]
    digest = hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{digest}-{name}" if isinstance(source, str) else name


class _BrokenOffError(Exception):
    """The transfer ended before its time; another attempt may continue it."""


@dataclass(frozen=True)
class _Stamp:
    """Which version of the file the partial one is the start of."""

    version: str
    total: int | None


@dataclass(frozen=True)
class _Download:
    """One transfer, from `address` through `partial` to `target`."""

    address: Address
    target: Path
    partial: Path
    progress: bool

    @property
    def stamp(self) -> Path:
        """Holds the `_Stamp` of `partial`."""
        return self.partial.with_name(self.partial.name + ".etag")

    def run(self, sha256_prefix: str | None) -> None:
        reason = "the connection broke off"
        for attempt in range(ATTEMPTS):
            try:
                if self._transfer(has_hash=sha256_prefix is not None):
                    break
            except HTTPError as error:
                reason = f"the server answers {error.code} {error.reason}"
                if error.code not in BUSY:
                    raise self._failure(reason) from None
                if attempt + 1 < ATTEMPTS:
                    time.sleep(_asked_pause(error))
            except _BrokenOffError as error:
                reason = str(error)
            if attempt + 1 < ATTEMPTS:
                time.sleep(min(PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE))
        else:
            raise self._failure(f"{reason}; run the same again to continue")
        self._verify(sha256_prefix)
        self.partial.replace(self.target)
        self.stamp.unlink(missing_ok=True)

    def _transfer(self, *, has_hash: bool) -> bool:
        """Continue or start; True where the file is complete then. `has_hash`: its end can be told by its hash."""
        stamp = self._known()
        have = self.partial.stat().st_size if stamp is not None else 0
        response = self._open(have, stamp)
        if response is None:
            return False
        with response:
            answer = Answer.of(response)
            if answer.status not in (200, 206):
                raise self._failure(f"the server answers {answer.status} {response.reason} without a file")
            belongs = stamp is not None and answer.version == stamp.version and stamp.total in (None, answer.total)
            if answer.start not in (0, have) or (answer.start and not belongs):
                self._forget()
                return False
            if not answer.says_end and not has_hash:
                raise self._failure("the server does not say where the file ends")
            if answer.start == 0:
                self._forget()
                self._keep(answer)
            with self.partial.open("ab") as file:
                self._copy(response, file, answer)
                os.fsync(file.fileno())
        return answer.total is None or self.partial.stat().st_size == answer.total

    def _known(self) -> _Stamp | None:
        """What was noted of the partial file, where there is one."""
        if not is_file(self.partial):
            return None
        try:
            noted = json.loads(self.stamp.read_text(encoding="utf-8"))
            return _Stamp(str(noted["version"]), None if noted["total"] is None else int(noted["total"]))
        except Exception:  # parsers promise little about what they raise; without a note, the file is loaded anew
            return None

    def _keep(self, answer: Answer) -> None:
        """Note the version before its first byte is written; without one, the transfer cannot be continued later."""
        if answer.version is not None:
            self.stamp.write_text(json.dumps({"version": answer.version, "total": answer.total}), encoding="utf-8")

    def _open(self, have: int, stamp: _Stamp | None) -> HTTPResponse | None:
        """The server's answer, from byte `have` on if it can; None where the next attempt must start afresh."""
        headers = {"User-Agent": "swinkit", "Accept-Encoding": "identity"}
        if have and stamp is not None:
            headers |= {"Range": f"bytes={have}-", "If-Range": stamp.version}
        try:
            return open_address(self.address, headers, timeout=TIMEOUT_SECONDS)
        except HTTPError as error:
            if error.code == 416 and have:
                self._forget()
                return None
            raise
        except Exception as error:  # offline, no such server, a certificate that is none, an answer that is none
            raise self._failure(reason_of(getattr(error, "reason", None) or error)) from error

    def _copy(self, response: HTTPResponse, file: BinaryIO, answer: Answer) -> None:
        """Append what arrives until the end; raises `_BrokenOffError` where it breaks off or hardly moves."""
        decoder = answer.decoder()
        began, counted = time.monotonic(), 0
        with self._bar(answer.start, answer.total) as advance:
            while chunk := self._chunk(response):
                content = decoder.decoded(chunk)
                try:
                    file.write(content)
                    file.flush()
                except OSError:
                    self._forget()
                    raise
                advance(len(content))
                counted += len(chunk)
                if time.monotonic() - began > TIMEOUT_SECONDS:
                    if counted < LEAST_BYTES:
                        raise _BrokenOffError("the server hardly sends anything")
                    began, counted = time.monotonic(), 0
        if not decoder.is_whole:
            self._forget()
            raise _BrokenOffError("the packed file broke off")

    def _chunk(self, response: HTTPResponse) -> bytes:
        try:
            return response.read1(CHUNK_BYTES)
        except (OSError, HTTPException, ValueError) as error:
            raise _BrokenOffError("the connection broke off") from error

    def _verify(self, sha256_prefix: str | None) -> None:
        """The last look before the file gets its name."""
        try:
            if sha256_prefix is not None:
                with self.partial.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                if not digest.startswith(sha256_prefix):
                    raise self._failure(f"the file's SHA-256 begins {digest[:8]}, not {sha256_prefix} as published")
            try:
                check_is_weights(self.partial)
            except InputError as error:
                reason = str(error).replace(str(self.partial), "what the server sent").partition("; ")[0]
                raise self._failure(reason) from None
        except InputError:
            self._forget()
            raise

    def _forget(self) -> None:
        self.partial.unlink(missing_ok=True)
        self.stamp.unlink(missing_ok=True)

    def _failure(self, reason: str) -> InputError:
        return InputError(
            f"{self.address} cannot be downloaded ({reason}); "
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


def _asked_pause(error: HTTPError) -> float:
    """Seconds that a busy server asks for."""
    text = error.headers.get("Retry-After", "") if error.headers is not None else ""
    return min(float(text), LONGEST_PAUSE) if text.isascii() and text.isdigit() else 0.0
