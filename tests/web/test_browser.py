"""The page in Chromium: what a person does with mouse, keys and a narrow screen.

Run it with `pytest -m long tests/web -n 0 -s`; SWINKIT_SHOTS=FOLDER keeps pictures of the page.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from small_predictors import OF_TASKS, classifier, counted, image

pytest.importorskip("gradio", reason="gradio, of the extra web, is not installed")
pytest.importorskip("contourpy", reason="contourpy, of the extra web, is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

import swinkit
from swinkit.classification.data.preprocessing import published_preprocessing
from swinkit.classification.predictor import Classifier, class_names
from swinkit.web.looking import ShownModel
from swinkit.web.server import served

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]

PATIENCE = 600_000
"""Milliseconds, on a machine that is busy with other things."""
SHOWN = ".result :is(.bars, .stage, .problem)"
FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
MODELS = {task: ShownModel(task, task, make()) for task, make in OF_TASKS.items()}
CALLS = {task: counted(model.predictor) for task, model in MODELS.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


class Visit:
    """A page that is open, and the hosts that it asked for anything."""

    def __init__(self, browser: Any, address: str, *, width: int = 1280) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, permissions=["camera"])
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.hosts: set[str] = set()
        self.page.on("request", self._note)
        self.page.goto(address)
        self.page.wait_for_selector("#picture input[type=file]", state="attached")

    def _note(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.hostname or "")

    def upload(self, path: Path) -> float:
        """Until the result is there, in seconds."""
        began = time.perf_counter()
        self.page.set_input_files("#picture input[type=file]", str(path))
        self.page.wait_for_selector(SHOWN)
        return time.perf_counter() - began

    def keep(self, name: str) -> None:
        if folder := os.environ.get("SWINKIT_SHOTS"):
            self.page.wait_for_timeout(1500)
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    def is_sideways(self) -> bool:
        width = self.page.evaluate("document.scrollingElement.scrollWidth")
        return bool(width > self.page.viewport_size["width"])

    def close(self) -> None:
        self.context.close()
        assert self.hosts == {"127.0.0.1"}


@pytest.fixture(scope="module", params=list(OF_TASKS))
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def address(task: str) -> Iterator[str]:
    """Of a page with a model of the task; there is one in a process at a time."""
    with served([MODELS[task]], host="127.0.0.1", port=None) as found:
        yield found


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Visit]:
    opened = Visit(browser, address)
    yield opened
    opened.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image().save(tmp_path / "mine.png")
    return tmp_path / "mine.png"


def test_upload_slider_by_keyboard_and_downloads(visit: Visit, task: str, picture: Path) -> None:
    page, calls = visit.page, CALLS[task]
    before = len(calls)
    visit.upload(picture)
    assert len(calls) == before + 1
    visit.keep(task)
    whole = page.inner_html("#result-0")
    for _ in range(60):  # the tab key comes to every control
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "range":
            break
    assert page.evaluate("document.activeElement.type") == "range"
    for _ in range(45):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("whole => document.querySelector('#result-0').innerHTML != whole", arg=whole)
    assert len(calls) == before + 1
    for ending in ("png", "json"):
        with page.expect_download() as download:
            page.click(f"#make-{ending}-0")
        assert download.value.suggested_filename == f"mine_{task}.{ending}"
        kept = Path(download.value.path())
        if ending == "json":
            assert json.loads(kept.read_text()).keys() <= {"predictions", "objects", "shares"}
        else:
            with Image.open(kept) as drawn:
                assert drawn.format == "PNG"
    assert len(calls) == before + 1


def test_a_broken_upload_is_a_sentence(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no more")
    visit.upload(tmp_path / "broken.png")
    assert "broken.png is" in visit.page.inner_text(".problem")
    assert not visit.page.is_visible(".downloads")


def test_a_telephone(browser: Any, address: str, task: str, picture: Path) -> None:
    visit = Visit(browser, address, width=390)
    assert not visit.is_sideways()
    visit.upload(picture)
    visit.page.wait_for_timeout(500)
    assert not visit.is_sideways()
    visit.keep(f"{task}_390")
    visit.close()


def test_pointing_at_an_instance(browser: Any, picture: Path) -> None:
    with served([MODELS["detection"]], host="127.0.0.1", port=None) as address:
        visit = Visit(browser, address)
        visit.upload(picture)
        found = visit.page.locator(".found")
        found.last.hover()
        visit.page.wait_for_timeout(500)
        opacities = found.evaluate_all("all => all.map(each => Number(getComputedStyle(each).opacity))")
        assert len(opacities) > 1 and opacities[-1] == 1 and max(opacities[:-1]) < 0.5
        visit.close()


def test_examples_and_models_side_by_side(browser: Any) -> None:
    models = list(MODELS.values())
    with served(models, host="127.0.0.1", port=None) as address:
        visit = Visit(browser, address)
        visit.page.click(".gallery-item >> nth=0")
        for number in range(len(models)):
            visit.page.wait_for_selector(f"#result-{number} :is(.bars, .stage)")
        visit.keep("side_by_side")
        visit.close()


def test_a_swin_t_answers_in_three_seconds(browser: Any, picture: Path) -> None:
    preprocessing = published_preprocessing(224, crop=True)
    predictor = Classifier(swinkit.swin_t(num_classes=1000), classes=class_names(1000), preprocessing=preprocessing)
    with served([ShownModel("swin_t", "classification", predictor)], host="127.0.0.1", port=None) as address:
        seconds = []
        for _ in range(3):
            visit = Visit(browser, address)
            seconds.append(visit.upload(picture))
            visit.close()
    load = os.getloadavg()[0]
    print(f"Swin-T, from upload to result: {', '.join(f'{each:.2f}' for each in seconds)} s; load {load:.1f}")
    if load > 2:
        pytest.skip(f"the machine is busy (load {load:.1f}); measured {min(seconds):.2f} s")
    assert min(seconds) < 3


@pytest.fixture
def screen() -> Iterator[str]:
    """The name of a display: without one, Chromium's imitated camera does not answer."""
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        pytest.skip("there is no Xvfb on this machine")
    with subprocess.Popen([xvfb, "-displayfd", "1", "-nolisten", "tcp"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f":{process.stdout.readline().strip()}"
        process.terminate()


def test_the_live_camera(screen: str) -> None:
    """Pictures come one after the other, until it is told to stop."""
    from playwright.sync_api import sync_playwright

    calls = CALLS["classification"]
    with served([MODELS["classification"]], host="127.0.0.1", port=None) as address, sync_playwright() as started:
        environment = {**os.environ, "DISPLAY": screen}
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=False, env=environment)
        visit = Visit(opened, address)
        visit.page.get_by_role("tab", name="Live camera").click()
        before = len(calls)
        for _ in ("allow the camera", "record"):
            visit.page.locator("#camera button:visible").first.click()
            visit.page.wait_for_timeout(3000)
        visit.page.wait_for_selector(SHOWN)
        deadline = time.monotonic() + PATIENCE / 1000
        while len(calls) < before + 3 and time.monotonic() < deadline:
            visit.page.wait_for_timeout(100)
        visit.keep("camera")
        visit.page.locator("#camera button:visible").first.click()
        visit.page.wait_for_timeout(3000)
        stopped = len(calls)
        visit.page.wait_for_timeout(3000)
        assert before + 3 <= stopped == len(calls)
        visit.close()
        opened.close()


def test_memory_does_not_grow_with_uploads(tmp_path: Path) -> None:
    """200 pictures of different sizes, each in a visit of its own, to a server in a process of its own."""
    from gradio_client import Client, handle_file

    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not say how much memory a process has")
    classifier().save_pretrained(tmp_path / "small")
    command = [sys.executable, "-u", "-m", "swinkit", "web", str(tmp_path / "small"), "--device", "cpu"]
    sizes = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+:\d+", line)))
        memory = Path(f"/proc/{server.pid}/statm")
        for number in range(1, 201):
            image(40 + 37 * number % 1500, 60 + 53 * number % 1100, seed=number).save(tmp_path / "a.png")
            client = Client(address, verbose=False, analytics_enabled=False)
            client.predict(handle_file(str(tmp_path / "a.png")), 0, 3, api_name="/look_0")
            client.close()
            if number in (20, 60, 100, 150, 200):
                sizes.append(int(memory.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)
        server.terminate()
    print(f"RSS after 20, 60, 100, 150 and 200 uploads: {', '.join(f'{each:.0f}' for each in sizes)} MiB")
    assert sizes[-1] - sizes[1] < 100
