"""Where results are printed, and what the next command is."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from rich.console import Console


def result_console() -> Console:
    """As wide as the terminal, or wide enough for any table where the output goes elsewhere.

    Texts are printed as they are: file and class names may hold what rich would take for markup.
    """
    plain = Console(markup=False, emoji=False, highlight=False)
    return plain if plain.is_terminal else Console(markup=False, emoji=False, highlight=False, width=200)


def program() -> list[str]:
    """The words that start swinkit again from the same shell: "swinkit" where that is found, else the path by which it
    was started, else this Python and `-m swinkit`."""
    started, found = Path(sys.argv[0]), shutil.which("swinkit")
    if started.stem == "swinkit" and started.is_file():
        is_found = found is not None and Path(found).resolve() == started.resolve()
        return ["swinkit"] if is_found else [str(started)]
    is_beside = found is not None and Path(found).parent == Path(sys.executable).parent
    return ["swinkit"] if is_beside else [sys.executable, "-m", "swinkit"]
