"""Where results are printed."""

from __future__ import annotations

from rich.console import Console


def result_console() -> Console:
    """As wide as the terminal, or wide enough for any table where the output goes elsewhere.

    Texts are printed as they are: file and class names may hold what rich would take for markup.
    """
    plain = Console(markup=False, emoji=False, highlight=False)
    return plain if plain.is_terminal else Console(markup=False, emoji=False, highlight=False, width=200)
