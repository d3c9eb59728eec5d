"""The page: what is where on it, and what happens when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import gradio as gr

from swinkit.errors import InputError
from swinkit.files import save_image, write_json
from swinkit.web.explanation import can_explain, explanation
from swinkit.web.looking import Looked, ShownModel, picture_name
from swinkit.web.markup import hint, picture, problem, text
from swinkit.web.uploads import uploaded_image

KEPT_SECONDS = 1800
"""What was uploaded, and made of it, is there for so long."""
MOST_WAITING = 32
"""Requests that can wait for a model."""
SECONDS_BETWEEN_FRAMES = 0.3
"""Of the camera, at least; the next one is sent when the last one is done."""
PICTURE_HEIGHT = 280
"""Pixels on the screen."""
EMPTY = "Drop a picture on the left, paste it, take one with the camera, or choose an example."
CLICK = "() => setTimeout(() => document.querySelector('#{id} a, a#{id}, #{id}').click(), 150)"

Handler = Callable[..., Any]


@dataclass(frozen=True)
class Card:
    """A model's place on the page."""

    model: ShownModel
    number: int
    state: gr.State
    """`Looked`, or None."""
    result: gr.HTML
    note: gr.HTML
    """Its name, and how long it took."""


def build_page(models: Sequence[ShownModel], *, examples: Sequence[Path], folder: Path) -> gr.Blocks:
    """The page of some models, side by side.

    Args:
        models: one or more.
        examples: pictures to try.
        folder: where files to be downloaded are made.
    """
    tasks = list(dict.fromkeys(model.task for model in models))
    with gr.Blocks(title="swinkit", analytics_enabled=False, fill_width=True, delete_cache=(60, KEPT_SECONDS)) as page:
        gr.HTML(_heading(models), elem_id="head")
        with gr.Row(equal_height=False):
            with gr.Column(scale=5, min_width=300, elem_classes="inputs"):
                still, camera = _inputs(examples)
                sliders = {task: _sliders(_of_task(models, task), is_alone=len(tasks) == 1) for task in tasks}
            with gr.Column(scale=7, min_width=300, elem_classes="cards"):
                cards = [_card(model, number, sliders, still, folder) for number, model in enumerate(models)]
        for card in cards:
            _connect(card, sliders[card.model.task], still, camera)
    page.queue(max_size=MOST_WAITING, default_concurrency_limit=1)
    return page


def _heading(models: Sequence[ShownModel]) -> str:
    seen = "What a model sees in your picture" if len(models) == 1 else f"What {len(models)} models see in your picture"
    return f"<h1>swinkit</h1><p>{seen}. It goes to this server and nowhere else.</p>"


def _inputs(examples: Sequence[Path]) -> tuple[gr.Image, gr.Image]:
    with gr.Tab("Picture"):
        still = gr.Image(
            sources=["upload", "clipboard", "webcam"],
            type="filepath",
            image_mode=None,
            height=PICTURE_HEIGHT,
            label="Picture",
            show_label=False,
            buttons=[],
            elem_id="picture",
        )
        if examples:
            gr.Examples([[str(path)] for path in examples], still, label="Examples", cache_examples=False)
    with gr.Tab("Live camera"):
        camera = gr.Image(
            sources=["webcam"],
            type="filepath",
            image_mode=None,
            streaming=True,
            height=PICTURE_HEIGHT,
            label="Camera",
            show_label=False,
            buttons=[],
            elem_id="camera",
        )
    return still, camera


def _of_task(models: Sequence[ShownModel], task: str) -> ShownModel:
    """The model of a task with most classes, whose sliders suit all."""
    return max((model for model in models if model.task == task), key=lambda model: len(model.predictor.classes))


def _sliders(model: ShownModel, *, is_alone: bool) -> list[gr.Slider]:
    said, task = model.sliders, "" if is_alone else f" ({model.task})"
    with gr.Group(elem_classes="sliders"):
        least = gr.Slider(said.lowest_least, 100, said.default_least, step=1, label=said.least + task, buttons=[])
        top = gr.Slider(1, max(2, said.most), said.default_top, step=1, label=said.top + task, buttons=[])
    return [least, top]


def _card(
    model: ShownModel, number: int, sliders: Mapping[str, list[gr.Slider]], still: gr.Image, folder: Path
) -> Card:
    with gr.Column(elem_classes="card"):
        note = gr.HTML(_note(model, None))
        state = gr.State(None, time_to_live=KEPT_SECONDS)
        result = gr.HTML(hint(EMPTY), elem_classes="result", elem_id=f"result-{number}", min_height=48)
        card = Card(model, number, state, result, note)
        with gr.Row(elem_classes="downloads"):
            for ending in ("png", "json"):
                _download(card, ending, sliders[model.task], folder)
        if can_explain(model.predictor):
            _explained(card, still)
    return card


def _note(model: ShownModel, looked: Looked | None) -> str:
    took = "" if looked is None else f" · {looked.seconds:.2f} s"
    count = len(model.predictor.classes)
    kind = f"{model.task} · {count} class{'' if count == 1 else 'es'}{took}"
    return f'<div class="title"><h2>{text(model.name)}</h2><span>{kind}</span></div>'


def _download(card: Card, ending: str, sliders: Sequence[gr.Slider], folder: Path) -> None:
    """A button that makes the file, and a hidden one that the browser then takes it from."""
    name = f"{ending}-{card.number}"
    button = gr.Button(f"Download {ending.upper()}", size="sm", elem_id=f"make-{name}")
    hidden = gr.DownloadButton(elem_id=name, visible="hidden")

    def make(looked: Looked | None, least: float, top: float) -> str:
        if looked is None:
            raise gr.Error("There is no result yet; choose a picture first.", print_exception=False)
        path = folder / uuid4().hex / f"{looked.name}_{card.model.name}.{ending}"
        write_result(looked, least, top, path)
        return str(path)

    made = button.click(
        make, [card.state, *sliders], hidden, concurrency_id="drawing", show_progress="hidden", api_visibility="private"
    )
    made.success(None, None, None, js=CLICK.format(id=name), api_visibility="private")


def write_result(looked: Looked, least: float, top: float, path: Path) -> None:
    """Write what the sliders leave of a result as a picture or, of a path that ends in .json, as plain data."""
    if path.suffix == ".png":
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(looked.kept.picture(least / 100, int(top)), path)
    else:
        write_json(path, looked.kept.data(least / 100, int(top)), indent=1)


def _explained(card: Card, still: gr.Image) -> None:
    with gr.Accordion("What it looked at", open=False):
        button = gr.Button("Show", size="sm", elem_id=f"explain-{card.number}")
        shown = gr.HTML("", elem_classes="result")

    def explain(sent: Mapping[str, Any] | None) -> str:
        try:
            image = uploaded_image(sent)
            if image is None:
                return hint("Choose a picture first.")
            over = explanation(card.model.predictor, image)
        except InputError as error:
            return problem(str(error))
        return f'<div class="explained">{picture(over, "the picture under the class activation map")}</div>'

    button.click(
        explain, still, shown, preprocess=False, concurrency_id=f"model-{card.number}", api_visibility="private"
    )
    still.change(lambda: "", None, shown, queue=False, show_progress="hidden", api_visibility="private")


def _connect(card: Card, sliders: Sequence[gr.Slider], still: gr.Image, camera: gr.Image) -> None:
    shown = [card.state, card.result, card.note]
    look = looking(card.model)
    still.change(
        look,
        [still, *sliders],
        shown,
        preprocess=False,
        concurrency_id=f"model-{card.number}",
        concurrency_limit=1,
        trigger_mode="always_last",
        show_progress_on=card.result,
        api_name=f"look_{card.number}",
    )
    camera.stream(
        look,
        [camera, *sliders],
        shown,
        preprocess=False,
        concurrency_id=f"model-{card.number}",
        concurrency_limit=1,
        stream_every=SECONDS_BETWEEN_FRAMES,
        show_progress="hidden",
        api_name=f"camera_{card.number}",
        api_visibility="private",
    )
    gr.on(
        [slider.change for slider in sliders],
        refiltered,
        [card.state, *sliders],
        card.result,
        queue=False,
        trigger_mode="always_last",
        show_progress="hidden",
        api_visibility="private",
    )


def looking(model: ShownModel) -> Handler:
    """The function that shows a picture to a model, which gives what is kept, the result, and the note above it."""

    def look(sent: Mapping[str, Any] | None, least: object, top: object) -> tuple[Looked | None, str, str]:
        try:
            image = uploaded_image(sent)
            if image is None:
                return None, hint(EMPTY), _note(model, None)
            looked = model.look(image, picture_name(sent))
        except InputError as error:
            return None, problem(str(error)), _note(model, None)
        return looked, looked.kept.html(_share(least), _count(top)), _note(model, looked)

    return look


def refiltered(looked: Looked | None, least: float, top: float) -> str:
    """What the sliders leave of a result, without another forward pass; a hint where nothing is kept any more."""
    return hint(EMPTY) if looked is None else looked.kept.html(_share(least), _count(top))


def _share(percent: object) -> float:
    """0..1 of what a slider says; 0 of what is no number."""
    return min(1.0, max(0.0, percent / 100)) if isinstance(percent, (int, float)) else 0.0


def _count(number: object) -> int:
    return max(1, min(1000, int(number))) if isinstance(number, (int, float)) else 1
