"""Where results are printed."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import track


def result_console() -> Console:
    """As wide as the terminal, or wide enough for any table where the output goes elsewhere.

    Texts are printed as they are: file and class names may hold what rich would take for markup.
    """
    plain = Console(markup=False, emoji=False, highlight=False)
    return plain if plain.is_terminal else Console(markup=False, emoji=False, highlight=False, width=200)


def progress_bar(count: int, description: str) -> Callable[[int], object]:
    """A bar on stderr, to be called with the number done until all are."""
    console = Console(stderr=True)
    steps = iter(track(range(count), description=description, transient=True, console=console))
    shown = 0

    def show(done: int) -> None:
        nonlocal shown
        for _ in range(shown, done):
            next(steps, None)
        shown = done

    return show
