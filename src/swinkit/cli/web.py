"""swinkit web [CHECKPOINT...]"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from swinkit.cli.image_paths import run_name
from swinkit.errors import InputError
from swinkit.files import is_file
from swinkit.web.looking import ShownModel
from swinkit.web.server import require_gradio, serve

RUNS = Path("runs")


@dataclass(frozen=True)
class WebOptions:
    checkpoints: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[CHECKPOINT...]")] = ()
    """Models of any task, side by side: files, folders of runs, names that `swinkit models` lists, addresses, or
    hf-hub:owner/name. Default: the newest run in runs/."""
    host: str = "127.0.0.1"
    """Where to listen: this machine alone by default; 0.0.0.0 lets others in, who need no password."""
    port: int | None = None
    """Default: the first free one from 7860 on."""
    device: str | None = None
    """Device such as cuda or cpu. Default: the GPU if there is one."""


def web_command(arguments: Sequence[str]) -> None:
    """Show in a browser what trained models see: a page on this machine, which fetches nothing from elsewhere."""
    options = tyro.cli(WebOptions, args=list(arguments), prog="swinkit web", description=web_command.__doc__)
    require_gradio()
    sources = options.checkpoints or (newest_run(RUNS),)
    names = distinct_names(sources)
    models = [ShownModel.open(source, name, device=options.device) for source, name in zip(sources, names, strict=True)]
    try:
        serve(models, host=options.host, port=options.port, ready=_tell)
    except KeyboardInterrupt:  # the way to end it
        print("\nstopped", file=sys.stderr)


def newest_run(folder: Path) -> str:
    """The run in `folder` whose model is the newest; raises InputError where there is none."""
    models = [path for path in sorted(folder.glob("*/best.safetensors")) if is_file(path)]
    if not models:
        raise InputError(
            f"there is no trained model in {folder}/; name one with swinkit web CHECKPOINT, or train one with "
            "swinkit train digits"
        )
    newest = max(models, key=lambda path: path.stat().st_mtime).parent
    if len(models) > 1:
        others = " ".join(str(path.parent) for path in models[:3])
        print(f"showing {newest}, the newest of {len(models)} runs; several: swinkit web {others}", file=sys.stderr)
    return str(newest)


def distinct_names(sources: Sequence[str]) -> list[str]:
    """What each checkpoint is called on the page: after its run or file, with a number where that was there already."""
    names: list[str] = []
    for source in sources:
        name, number = run_name(source), 1
        while name in names:
            number += 1
            name = f"{run_name(source)} ({number})"
        names.append(name)
    return names


def _tell(address: str) -> None:
    print(f"open {address} in a browser; Ctrl-C ends it", flush=True)
