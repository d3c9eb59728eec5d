"""A segmentation run that was killed, or is run by two processes, ends like the one that nobody disturbed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import sessions
import torch
from run_results import assert_same_run, losses, metrics

from swinkit.data.digit_scenes import SceneSettings, open_segmentation_scenes
from swinkit.engine.checkpoints import load_checkpoint
from swinkit.engine.processes import Processes
from swinkit.tasks import open_segmentor
from swinkit.tasks.segmentation import SegmentationEvaluationImages

OPTIONS = (
    *("train", "digit_scenes_segmentation", *sessions.TINY_SCENES, "--epochs", "2", "--checkpoint-every", "7"),
    *("--accumulate", "2", "--batch-size", "8", "--model.drop-path-rate", "0.2", "--head.dropout", "0.3"),
    *("--augmentation.photometric", "--augmentation.ratio", "0.8", "1.25"),
)
UPDATES = 2 * 96 // 8


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert sessions.run([*OPTIONS, "--run-dir", str(folder / "run")], folder / "log") == 0
    return folder / "run"


def kill_after(updates: int, run: Path, log: Path) -> int | None:
    """Kill the run once it has written so many lines; the update of its checkpoint."""
    process = sessions.start([*OPTIONS, "--workers", "1", "--run-dir", str(run)], log)
    lines = run / "metrics.jsonl"
    while process.is_alive() and not (lines.exists() and lines.read_bytes().count(b"\n") >= updates):
        time.sleep(0.005)
    assert process.is_alive(), log.read_text()
    process.kill()
    process.join()
    state = load_checkpoint(run / "checkpoint.pt")
    return None if state is None else int(state["step"])


def test_a_run_killed_three_times_ends_like_the_whole_one(whole: Path, tmp_path: Path) -> None:
    """Bit for bit: weights, batch norm's statistics, optimizer, scores and every line of the metrics."""
    run, log = tmp_path / "run", tmp_path / "log"
    places = [kill_after(updates, run, log) for updates in (3, 9, 16)]  # before 7, in the first epoch, in the second
    print(f"\ncheckpoints after the kills: {places}")
    assert places[1] is not None and places[2] is not None and places[2] < UPDATES
    assert sessions.run([*OPTIONS, "--run-dir", str(run)], log) == 0
    assert "Going on after update" in log.read_text()
    assert_same_run(whole, run)
    pictures = {"curves", "class_iou", "predictions", "data", "sample"}
    assert {path.stem for path in run.glob("*.png")} == pictures and not list(run.glob(".*"))


@pytest.fixture(params=["ddp", "fsdp"])
def together(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The run of two processes; seven validation images do not divide."""
    arguments = ["train", "digit_scenes_segmentation", *sessions.TINY_SCENES, "--sharding", request.param]
    log = tmp_path / "log"
    assert sessions.run_together([*arguments, "--run-dir", str(tmp_path / "run")], log) == 0, log.with_suffix(
        ".0"
    ).read_text()
    assert log.with_suffix(".1").read_text() == ""
    return tmp_path / "run"


def test_two_processes_evaluate_like_one(together: Path) -> None:
    """Batch norm sees each process's images alone, so training differs; the scores are those of the saved model, bit
    for bit, as counts of pixels are summed."""
    settings = SceneSettings(size=32, side=(14, 20), digits=(1, 2), train_scenes=96, val_scenes=7)
    segmentor = open_segmentor(together / "last.safetensors")
    one = Processes(0, 1, torch.device("cpu"))
    data = open_segmentation_scenes(settings)[1]
    scores = SegmentationEvaluationImages(data, segmentor.inference, workers=0, processes=one).scores(segmentor.model)
    last = metrics(together)[-1]
    assert last["val/miou"] == scores.miou and last["val/mean_accuracy"] == scores.mean_accuracy
    assert scores.pixels == 7 * 32 * 32
    curve = losses(together)
    assert len(curve) == 24 and sum(curve[-4:]) / 4 < 0.7 * curve[0]
