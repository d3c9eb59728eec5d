"""A segmentation run that was killed, or is run by two processes, ends like the one that nobody disturbed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import sessions
from mask_folders import write_masks
from run_results import assert_same_run, losses, metrics
from small_segmentation import CPU, opened

from swinkit.segmentation.data.folders import open_segmentation_folder
from swinkit.segmentation.evaluation import EvaluationImages
from swinkit.training.checkpoints import load_checkpoint
from swinkit.training.processes import Processes

OPTIONS = (
    *("train", "digit_scenes_segmentation", *sessions.TINY_SCENES, "--epochs", "2", "--checkpoint-every", "7"),
    *("--accumulate", "2", "--batch-size", "8", "--backbone.drop-path-rate", "0.2", "--head.dropout", "0.3"),
    *("--augmentation.photometric", "--augmentation.ratio", "0.8", "1.25"),
)
STEPS = 2 * 96 // 8


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert sessions.run([*OPTIONS, "--run-dir", str(folder / "run")], folder / "log") == 0
    return folder / "run"


def kill_after(steps: int, run: Path, log: Path) -> int | None:
    """Kill the run once it has written so many lines; the step of its checkpoint."""
    process = sessions.start([*OPTIONS, "--workers", "1", "--run-dir", str(run)], log)
    lines = run / "metrics.jsonl"
    while process.is_alive() and not (lines.exists() and lines.read_bytes().count(b"\n") >= steps):
        time.sleep(0.005)
    assert process.is_alive(), log.read_text()
    process.kill()
    process.join()
    state = load_checkpoint(run / "checkpoint.pt")
    return None if state is None else int(state["step"])


def test_a_run_killed_three_times_ends_like_the_whole_one(whole: Path, tmp_path: Path) -> None:
    """Bit for bit: weights, batch norm's statistics, optimizer, scores and every line of the metrics."""
    run, log = tmp_path / "run", tmp_path / "log"
    places = [kill_after(steps, run, log) for steps in (3, 9, 16)]  # before 7, in the first epoch, in the second
    print(f"\ncheckpoints after the kills: {places}")
    assert places[1] is not None and places[2] is not None and places[2] < STEPS
    assert sessions.run([*OPTIONS, "--run-dir", str(run)], log) == 0
    assert "Going on after step" in log.read_text()
    assert_same_run(whole, run)
    pictures = {"curves", "class_iou", "predictions", "data", "sample"}
    assert {path.stem for path in run.glob("*.png")} == pictures
    assert [path.name for path in run.glob(".*")] == [".gitignore"]


@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
def test_two_processes_evaluate_like_one(sharding: str, tmp_path: Path) -> None:
    """Batch norm sees each process's images alone, so training differs; the scores are those of the saved model, bit
    for bit, as counts of pixels are summed. Five validation images do not divide."""
    data, run, log = write_masks(tmp_path / "data", val=5), tmp_path / "run", tmp_path / "log"
    arguments = ["train", "finetune_segmentation", *sessions.TINY_MASKS, "--data", str(data), "--sharding", sharding]
    assert sessions.run_together([*arguments, "--run-dir", str(run)], log) == 0, log.with_suffix(".0").read_text()
    assert log.with_suffix(".1").read_text() == ""
    segmentor, split = opened(run / "last.safetensors"), open_segmentation_folder(data)[1]
    images = EvaluationImages(split, segmentor.preprocessing, workers=0, processes=Processes(0, 1, CPU))
    scores = images.scores(segmentor.model)
    last = metrics(run)[-1]
    assert last["val/miou"] == scores.miou and last["val/mean_accuracy"] == scores.mean_accuracy
    assert scores.pixels == 5 * 38 * 48 and 0.4 < scores.miou < 1.0
    curve = losses(run)
    assert len(curve) == 40 and sum(curve[-4:]) / 4 < 0.7 * curve[0]
