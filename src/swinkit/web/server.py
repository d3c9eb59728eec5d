"""Serving the page, from a folder that is gone afterwards."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from swinkit.errors import InputError
from swinkit.web.examples import write_examples
from swinkit.web.looking import ShownModel
from swinkit.web.own_files import OwnFilesAlone

if TYPE_CHECKING:
    import gradio as gr
    from fastapi import FastAPI

MOST_SESSIONS = 32
"""Open pages whose results are kept; of more, the oldest are forgotten."""
PORT = 7860
NEXT_PORTS = 20
"""Where no port was asked for, so many are tried from `PORT` on."""

CLOSING_SECONDS = 2
"""At the end, answers that are under way have so long."""


def require_gradio() -> None:
    """Raises InputError where the extra is not installed."""
    if find_spec("gradio") is None or find_spec("contourpy") is None:
        raise InputError("the page needs gradio; install it with pip install 'swinkit[web]'")


def bound_socket(host: str, port: int | None) -> socket.socket:
    """A socket at the port asked for, or the first free one from 7860 on; raises InputError where that is taken, or the
    host is not of this machine."""
    wanted = range(PORT, PORT + NEXT_PORTS) if port is None else (port,)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason = ""
    for each in wanted:
        try:
            return socket.create_server((host, each), family=family)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
    shown = f"{wanted[0]}" if len(wanted) == 1 else f"{wanted[0]} to {wanted[-1]}"
    raise InputError(f"cannot serve at {host}, port {shown} ({reason}); choose others with --host and --port")


@contextmanager
def served(models: Sequence[ShownModel], *, host: str, port: int | None) -> Iterator[str]:
    """Inside, the page is there, at the address given.

    Uploads and all that is made of them lie in a temporary folder, which is removed at the end. Nothing is fetched from
    anywhere and nothing is sent to anyone.

    Raises InputError where it cannot be served there.
    """
    require_gradio()
    with (
        bound_socket(host, port) as place,
        tempfile.TemporaryDirectory(prefix="swinkit-web-", ignore_cleanup_errors=True) as name,
        _environment(name),
        _running(_mounted(_page(models, Path(name))), place),
    ):
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{'localhost' if host in ('0.0.0.0', '::') else shown}:{place.getsockname()[1]}"


@contextmanager
def _environment(folder: str) -> Iterator[None]:
    """Inside, gradio knows where its files go, and that it is to tell nobody anything; one page in a process at a
    time."""
    values = {
        "GRADIO_TEMP_DIR": str(Path(folder) / "uploads"),
        "GRADIO_EXAMPLES_CACHE": str(Path(folder) / "examples"),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ |= values
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _page(models: Sequence[ShownModel], folder: Path) -> gr.Blocks:
    from swinkit.web.page import build_page

    pictures = folder / "examples"
    pictures.mkdir()
    examples = write_examples(pictures, [model.task for model in models])
    return build_page(models, examples=examples, folder=folder / "uploads")


def _mounted(page: gr.Blocks) -> FastAPI:
    """The page as an application. gradio's own `launch` gives up where a busy machine needs seconds to begin."""
    import gradio
    from fastapi import FastAPI
    from starlette.middleware import Middleware

    from swinkit.web.style import style_sheet, theme
    from swinkit.web.uploads import MOST_BYTES

    page.state_session_capacity = MOST_SESSIONS
    # Only then does gradio ask whether a path that it is sent is that of an upload, which `launch` does by itself.
    page.has_launched = True
    return gradio.mount_gradio_app(
        FastAPI(middleware=[Middleware(OwnFilesAlone)], openapi_url=None),
        page,
        path="/",
        show_error=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        max_file_size=MOST_BYTES,
        theme=theme(),
        css=style_sheet(),
    )


@contextmanager
def _running(app: FastAPI, place: socket.socket) -> Iterator[None]:
    """Inside, a thread answers requests."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=CLOSING_SECONDS))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server ended before it began")
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(2 * CLOSING_SECONDS)


def serve(
    models: Sequence[ShownModel], *, host: str, port: int | None, ready: Callable[[str], object] = lambda address: None
) -> None:
    """Serve the page until the process is asked to end; `ready` is called with the address."""
    with served(models, host=host, port=port) as address:
        ready(address)
        threading.Event().wait()
