"""Pictures are whole PNG files of a sensible size, with names as they are."""

from pathlib import Path

import numpy as np
import pytest
from picture_checks import AWKWARD_NAMES, pixels

import swinkit
from swinkit.errors import InputError
from swinkit.pictures.figure import MAX_BYTES, clip_name, fit_text, new_figure, save_figure


def test_a_saved_figure_is_a_png_of_its_size_and_nothing_else_is_left(tmp_path: Path) -> None:
    save_figure(new_figure(2, 1), tmp_path / "new" / "picture.png")
    assert pixels(tmp_path / "new" / "picture.png").shape == (100, 200, 3)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["picture.png"]


def test_a_picture_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "picture.png"
    out.write_bytes(b"old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(InputError, match=r"cannot write .*picture.png \(No space left on device\)"):
        save_figure(new_figure(1, 1), out)
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="with the ending"):
        save_figure(new_figure(1, 1), tmp_path / "picture.jpg")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot write"):
        save_figure(new_figure(1, 1), tmp_path / "file" / "picture.png")


def test_a_busy_picture_stays_small(tmp_path: Path) -> None:
    figure = new_figure(6, 6)
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    figure.add_axes((0, 0, 1, 1)).imshow(noise)
    save_figure(figure, tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size <= MAX_BYTES


def test_dollar_signs_are_drawn_as_dollar_signs(tmp_path: Path) -> None:
    """As mathematics, $x$ would be one letter: as narrow as x and in italics."""
    for name in ("$x$", "x"):
        figure = new_figure(2, 1)
        figure.text(0.1, 0.5, name, fontsize=20)
        save_figure(figure, tmp_path / f"{len(name)}.png")
    wide, narrow = (np.ptp(np.flatnonzero(pixels(tmp_path / f"{n}.png").min(axis=(0, 2)) < 128)) for n in (3, 1))
    assert wide > 2.2 * narrow


@pytest.mark.filterwarnings("error")
def test_awkward_names_are_drawn_without_a_warning(tmp_path: Path) -> None:
    figure = new_figure(4, 4)
    for place, name in enumerate(AWKWARD_NAMES):
        text = figure.text(0.1, place / len(AWKWARD_NAMES), "")
        fit_text(text, "true: {}", name, inches=3)
        assert text.get_text().startswith("true: ")
    save_figure(figure, tmp_path / "names.png")


@pytest.mark.parametrize(
    ("name", "width", "clipped"),
    [
        ("tench", 5, "tench"),
        ("tench", 4, "ten…"),
        ("grey fox", 6, "grey…"),
        (" a\nb\tc\x00 ", 10, "a b c\ufffd"),
        ("\udcff", 10, "\ufffd"),
        ("", 10, "(no name)"),
        ("a\u200bb", 10, "ab"),
    ],
)
def test_names_are_clipped_to_one_line(name: str, width: int, clipped: str) -> None:
    assert clip_name(name, width) == clipped


def test_a_text_is_clipped_to_the_inches_it_has() -> None:
    widths = []
    for name in ("w" * 300, "i" * 300):
        text = new_figure(4, 1).text(0, 0, "", fontsize=10)
        fit_text(text, "true: {}", name, inches=2)
        widths.append(text.get_window_extent().width)
        assert text.get_text().endswith("…")
    assert all(180 < width <= 200 for width in widths)


def test_no_picture_touches_the_state_of_pyplot() -> None:
    for path in Path(swinkit.__file__).parent.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "pyplot" not in source
        assert "rcParams" not in source
