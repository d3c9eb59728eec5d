"""Learning curves show the values that were logged, and say so where they are summed up."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from picture_checks import capture_figure, pixels, texts

from swinkit.errors import InputError
from swinkit.pictures import curves
from swinkit.pictures.curves import plot_curves


def run_folder(tmp_path: Path, records: list[dict[str, float]]) -> Path:
    folder = tmp_path / "first $run$"
    folder.mkdir()
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + '{"step": 9, "trai', encoding="utf-8")
    return path


def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, records: list[dict[str, float]]) -> Figure:
    figure = capture_figure(monkeypatch, curves)
    out = tmp_path / "curves.png"
    plot_curves(run_folder(tmp_path, records), out)
    assert out.stat().st_size <= 300_000
    return figure()


def training(steps: int) -> list[dict[str, float]]:
    return [
        {"step": step, "epoch": step // 10, "train/loss": 2 / step, "train/lr": 1e-3 / step, "train/images_per_s": 9}
        for step in range(1, steps + 1)
    ]


def test_three_panels_hold_the_logged_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    validation = [{"step": 15, "val/loss": 0.9, "val/top1": 0.615, "val/top5": 0.9}, {"step": 20, "val/top1": 0.6025}]
    figure = drawn(monkeypatch, tmp_path, training(20) + validation)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Accuracy (%)", "Learning rate"]
    loss, accuracy, rate = ({line.get_label(): line.get_xydata() for line in axes.lines} for axes in figure.axes)
    assert np.allclose(loss["train/loss"], [(step, 2 / step) for step in range(1, 21)])
    assert np.allclose(accuracy["val/top1, best 61.5 at step 15"], [(15, 61.5), (20, 60.25)])
    assert np.allclose(rate["train/lr"], [(step, 1e-3 / step) for step in range(1, 21)])
    assert "val/loss, best 0.9 at step 15" in loss
    assert "first $run$: up to step 20, epoch 2" in texts(figure)
    assert all(axes.get_xlabel() == "step" for axes in figure.axes)
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_train_and_validation_have_colours_of_their_own(tmp_path: Path) -> None:
    records = [{"step": step, "train/loss": 1.0, "val/loss": 2.0} for step in (1, 50)]
    plot_curves(run_folder(tmp_path, records), tmp_path / "curves.png")
    colours = {tuple(colour) for colour in pixels(tmp_path / "curves.png").reshape(-1, 3).tolist()}
    assert {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)} <= colours


def test_panels_without_values_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = drawn(monkeypatch, tmp_path, [{"step": 0, "val/top1": 0.12}])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Accuracy (%)"]


def test_a_training_loss_is_a_running_mean_before_its_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = drawn(monkeypatch, tmp_path, training(100))
    raw, mean = figure.axes[0].lines
    assert mean.get_label() == "train/loss\n(mean of 5 values; faint: each)"
    assert raw.get_label().startswith("_") and raw.get_alpha() == 0.3 and raw.get_color() == mean.get_color()
    assert np.allclose(raw.get_ydata(), [2 / step for step in range(1, 101)])
    means = [sum(2 / last for last in range(max(1, step - 4), step + 1)) / min(step, 5) for step in range(1, 101)]
    assert np.allclose(mean.get_ydata(), means)
    (rate,) = figure.axes[1].lines
    assert np.allclose(rate.get_ydata(), [1e-3 / step for step in range(1, 101)])


def test_many_points_are_summed_up_and_the_legend_says_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = drawn(monkeypatch, tmp_path, training(1201))
    (line,) = figure.axes[0].lines
    (band,) = figure.axes[0].collections
    assert line.get_label() == "train/loss\n(mean of 60 values; faint: their range)"
    first = [2 / step for step in (1, 2, 3, 4)]
    means = [sum(first[:count]) / count for count in (1, 2, 3, 4)]
    assert np.allclose(line.get_xydata()[0], (2.5, sum(means) / 4))
    assert np.allclose(line.get_xydata()[-1], (1201, sum(2 / step for step in range(1142, 1202)) / 60))
    edges = band.get_paths()[0].vertices
    assert set(edges[edges[:, 0] == 2.5, 1]) == {2 / 1, 2 / 4}
    (rate,) = figure.axes[1].lines
    assert rate.get_label() == "train/lr\n(mean and range of 4 points)"
    assert np.allclose(rate.get_xydata()[0], (2.5, sum(first) / 2000 / 4))


def test_values_that_are_not_finite_are_marked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    records = [{"step": 1, "train/loss": 1.0}, {"step": 2, "train/loss": math.nan}, {"step": 3, "train/loss": math.inf}]
    figure = drawn(monkeypatch, tmp_path, records)
    lines = {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}
    assert lines["train/loss not finite from step 2"][:, 0].tolist() == [2, 2]
    assert lines["train/loss"].tolist() == [[1, 1]]


def test_a_file_without_anything_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no loss, top-1 or lr to draw: it has epoch, memory"):
        plot_curves(run_folder(tmp_path, [{"step": 1, "epoch": 0, "memory": 3}]), tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
