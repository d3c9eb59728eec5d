"""A server on this machine that answers with the very bytes it is told to, one script after the other."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sent:
    """One answer: its head and body, and how the connection ends."""

    head: str
    body: bytes = b""
    end: str = "close"
    """close, reset (as a crashed server does), or stall (says nothing more)."""

    def to_bytes(self) -> bytes:
        return self.head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + self.body


@dataclass
class Misbehaving:
    """The server: the answer to request i is answers[i], the last one for ever."""

    port: int
    answers: Sequence[Sent]
    requests: list[str] = field(default_factory=list)

    def url(self, name: str = "swin.safetensors") -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


def whole(content: bytes, more: str = "", status: str = "200 OK") -> Sent:
    """As a good server answers."""
    return Sent(f"HTTP/1.1 {status}\nContent-Length: {len(content)}\nConnection: close{more}", content)


def chunked(content: bytes, *, end: bytes = b"0\r\n\r\n", more: str = "") -> Sent:
    """In chunks, with what stands where the last one should."""
    body = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part)
        for part in (content[i : i + 50_000] for i in range(0, len(content), 50_000))
    )
    return Sent(f"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close{more}", body + end)


@contextmanager
def serving(answers: Sequence[Sent], *, stall: float = 1.0) -> Iterator[Misbehaving]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = Misbehaving(listening.getsockname()[1], answers)

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                part = connection.recv(65536)
                if not part:
                    return
                request += part
            server.requests.append(request.decode("latin-1"))
            sent = server.answers[min(len(server.requests), len(server.answers)) - 1]
            try:
                connection.sendall(sent.to_bytes().replace(b"PORT", str(server.port).encode()))
                if sent.end == "stall":
                    time.sleep(stall)
                if sent.end == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server
    finally:
        listening.close()
