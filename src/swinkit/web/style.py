"""How the page looks: its style sheet, and a theme with the fonts of whoever looks at it."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from swinkit.web.kept_pixels import MOST_ENTRIES

FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
MONO = ["ui-monospace", "Consolas", "monospace"]


def style_sheet() -> str:
    """The whole of it."""
    rules = [files("swinkit.web").joinpath("page.css").read_text(encoding="utf-8")]
    # An entry of the legend and the regions of its class point at each other.
    for number in range(MOST_ENTRIES):
        pointed = f".result .painted:has(.k{number}:is(:hover, :focus-visible))"
        rules.append(
            f"{pointed} path.k{number} {{ stroke: #fff; stroke-width: 2.5px; fill: var(--colour); fill-opacity: .45; }}"
        )
        rules.append(
            f"{pointed} li.k{number} {{ background: var(--body-text-color); color: var(--body-background-fill); }}"
        )
    return "\n".join(rules)


def theme() -> Any:
    """gradio's plainest, which would otherwise fetch a font."""
    import gradio

    return gradio.themes.Base(font=FONTS, font_mono=MONO, primary_hue="blue", neutral_hue="slate", radius_size="md")
