import json
import threading
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from swinkit.errors import InputError
from swinkit.training.metrics_log import MetricsLog
from swinkit.training.run_folder import RunFolder, open_run_folder

RECIPE = {"name": "toy", "optimizer": {"lr": 0.1, "betas": [0.9, 0.999]}, "data": None}


def test_makes_the_folder_and_writes_the_recipe(tmp_path: Path) -> None:
    run = open_run_folder(tmp_path / "a" / "b", RECIPE)
    assert json.loads(run.recipe.read_text()) == RECIPE | {"version": 2}
    assert run.checkpoint.parent == tmp_path / "a" / "b"


def test_refuses_the_folder_of_another_run_and_names_what_differs(tmp_path: Path) -> None:
    open_run_folder(tmp_path, RECIPE).checkpoint.touch()
    open_run_folder(tmp_path, RECIPE)
    other = RECIPE | {"optimizer": {"lr": 0.2, "betas": [0.9, 0.999]}}
    with pytest.raises(InputError, match=r"optimizer\.lr was 0\.1, now 0\.2.*--run-dir"):
        open_run_folder(tmp_path, other)
    assert json.loads((tmp_path / "recipe.json").read_text()) == RECIPE | {"version": 2}


def test_a_value_that_a_newer_version_adds_does_not_part_a_run_from_its_folder(tmp_path: Path) -> None:
    open_run_folder(tmp_path, RECIPE).checkpoint.touch()
    open_run_folder(tmp_path, RECIPE | {"new_option": None})


@pytest.mark.parametrize("remains", ["checkpoint.pt", "best.safetensors"])
def test_takes_a_folder_over_where_nothing_came_of_the_run_before(tmp_path: Path, remains: str) -> None:
    open_run_folder(tmp_path, RECIPE)
    other = RECIPE | {"name": "corrected"}
    open_run_folder(tmp_path, other)
    assert json.loads((tmp_path / "recipe.json").read_text()) == other | {"version": 2}
    (tmp_path / remains).touch()
    with pytest.raises(InputError, match="name was corrected, now toy"):
        open_run_folder(tmp_path, RECIPE)


def test_a_folder_of_an_earlier_version_is_one_sentence(tmp_path: Path) -> None:
    recipe = Path(__file__).parents[1] / "files_of_0.1" / "classification.recipe.json"
    (tmp_path / "recipe.json").write_text(recipe.read_text())
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(InputError, match="holds a run of another version of swinkit; go on with that version, or"):
        open_run_folder(tmp_path, RECIPE)


def test_damaged_or_lacking_recipe(tmp_path: Path) -> None:
    run = open_run_folder(tmp_path, RECIPE)
    run.checkpoint.touch()
    run.recipe.write_text('{"name": ')
    with pytest.raises(InputError, match=r"recipe\.json is damaged: .*; choose another --run-dir"):
        open_run_folder(tmp_path, RECIPE)
    run.recipe.unlink()
    with pytest.raises(InputError, match=r"recipe\.json \(No such file"):
        open_run_folder(tmp_path, RECIPE)


def test_unusable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/no_such_folder")):
        with pytest.raises(InputError, match=rf"cannot use {root} as run folder \(.*choose another --run-dir"):
            open_run_folder(root, RECIPE)


def _steps(run: RunFolder) -> list[int]:
    return [json.loads(line)["step"] for line in run.metrics.read_text().splitlines()]


def test_metrics_of_a_run_that_goes_on_drop_later_and_cut_off_lines(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    log = MetricsLog(run, step=0)
    for step in range(1, 8):
        log.write(step, 1, {"train/loss": 1 / step})
    log.write(5, 1, {"val/top1": 50.0})
    log.close()
    with run.metrics.open("a") as file:
        file.write('{"step": 4, "epo')
    before = run.metrics.read_text().splitlines()[:5]
    MetricsLog(run, step=5).close()
    assert run.metrics.read_text().splitlines()[:5] == before
    assert _steps(run) == [1, 2, 3, 4, 5, 5]
    MetricsLog(run, step=0).close()
    assert _steps(run) == []


def test_foreign_lines_are_left_out(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.metrics.write_text('[1]\n\n{"step": "2"}\n{"step": 1, "epoch": 1}\n\xff\n3\n')
    MetricsLog(run, step=9).close()
    assert _steps(run) == [1]


def test_values_that_are_not_finite_are_null(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    log = MetricsLog(run, step=0)
    log.write(1, 1, {"train/grad_norm": float("inf"), "train/loss": 2.0})
    log.close()
    line = {"step": 1, "epoch": 1, "train/grad_norm": None, "train/loss": 2.0}
    assert json.loads(run.metrics.read_text(), parse_constant=pytest.fail) == line


def test_tensorboard_has_every_value_once_after_going_on(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for first in (1, 3):
        log = MetricsLog(run, step=first - 1)
        for step in range(first, 5):
            log.write(step, 1, {"train/loss": first + step / 10})
        log.close()
    board = EventAccumulator(str(run.tensorboard))
    board.Reload()
    values = [(event.step, round(event.value, 3)) for event in board.Scalars("train/loss")]
    assert values == [(1, 1.1), (2, 1.2), (3, 3.3), (4, 3.4)]


def test_full_disk_under_tensorboard_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    log = MetricsLog(RunFolder(tmp_path), step=0)
    monkeypatch.setattr("tensorboard.summary.writer.record_writer.RecordWriter.write", full)
    with pytest.raises(
        InputError, match=r"cannot write the metrics in .* \(No space left on device\); free some space"
    ):
        for step in range(1, 1000):  # another thread writes, and its failure shows a little later
            log.write(step, 1, {"train/loss": 1.0})
    hook = threading.excepthook
    log.close()
    assert threading.excepthook is not hook
    assert "Traceback" not in capsys.readouterr().err
