"""A detection run that was killed, or is run by two processes, ends like the one that nobody disturbed."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import sessions
import torch
from object_folders import write_objects
from run_results import assert_same_run, losses, metrics

from swinkit.detection.data.sources import open_detection_data
from swinkit.detection.evaluation_images import EvaluationImages
from swinkit.detection.predictor import Detector
from swinkit.detection.task import result_values
from swinkit.training.checkpoints import load_checkpoint
from swinkit.training.processes import Processes
from swinkit.weights.model_file import read_model_file

OPTIONS = (
    *("train", "coco_cascade_swin_t_1x", *sessions.TINY_DIGIT_OBJECTS, "--epochs", "2", "--checkpoint-every", "5"),
    *("--accumulate", "2", "--backbone.drop-path-rate", "0.2", "--augmentation.horizontal-flip", "0.5"),
    *("--augmentation.crop-probability", "0.5", "--augmentation.sides-before-crop", "32", "40"),
    *("--augmentation.crop-range", "24", "32"),
    *(("--augmentation.instaboost.probability", "0.5") if find_spec("cv2") else ()),
)
ATSS_OBJECTS = (
    *("--weights", "None", "--backbone.embed-dim", "16", "--backbone.depths", "1", "1"),
    *(
        "--backbone.num-heads",
        "1",
        "2",
        "--backbone.window-size",
        "4",
        "--backbone.drop-path-rate",
        "0",
        "--detector.channels",
        "16",
    ),
    *("--detector.groups", "4", "--augmentation.horizontal-flip", "0", "--augmentation.crop-probability", "0"),
    *("--augmentation.shorter-sides", "40", "--resize.shorter-side", "40", "--resize.longest-side", "64"),
    *("--batch-size", "4", "--log-every", "1", "--precision", "fp32", "--optimizer.lr", "0.001"),
    *("--schedule.warmup-steps", "0", "--device", "cpu", "--workers", "0", "--threads", "1", "--epochs", "2"),
)
BOOSTED = (
    *("train", "coco_mask_rcnn_swin_t_1x", "--detector", "atss", *ATSS_OBJECTS, "--checkpoint-every", "5"),
    *("--dataset", "digit_scenes", "--scenes.size", "32", "--scenes.side", "14", "20", "--scenes.digits", "1", "2"),
    *("--scenes.train-scenes", "48", "--scenes.val-scenes", "7", "--augmentation.instaboost.probability", "0.5"),
)
"""A detector of every cell, on objects that InstaBoost moves."""
RUNS = {"cascade": OPTIONS, "atss": BOOSTED}
STEPS = 2 * 48 // 4


def kill_after(steps: int, options: tuple[str, ...], run: Path, log: Path) -> int | None:
    """Kill the run once it has written so many lines; the step of its checkpoint."""
    process = sessions.start([*options, "--workers", "1", "--run-dir", str(run)], log)
    lines = run / "metrics.jsonl"
    while process.is_alive() and not (lines.exists() and lines.read_bytes().count(b"\n") >= steps):
        time.sleep(0.005)
    assert process.is_alive(), log.read_text()
    process.kill()
    process.join()
    state = load_checkpoint(run / "checkpoint.pt")
    return None if state is None else int(state["step"])


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_a_run_killed_three_times_ends_like_the_whole_one(options: tuple[str, ...], tmp_path: Path) -> None:
    """Bit for bit: weights, batch norm's statistics, optimizer, scores and every line of the metrics; samples of
    anchors and regions, and where InstaBoost puts objects, are drawn again as they were."""
    whole, run, log = tmp_path / "whole", tmp_path / "run", tmp_path / "log"
    assert sessions.run([*options, "--run-dir", str(whole)], log) == 0, log.read_text()
    places = [
        kill_after(steps, options, run, log) for steps in (2, 7, 18)
    ]  # before 5, in the first epoch, in the second
    print(f"\ncheckpoints after the kills: {places}")
    assert places[1] is not None and places[2] is not None and places[2] < STEPS
    assert sessions.run([*options, "--run-dir", str(run)], log) == 0
    assert "Going on after step" in log.read_text()
    assert_same_run(whole, run)
    assert {path.stem for path in run.glob("*.png")} == {"curves", "predictions", "data", "sample"}
    assert [path.name for path in run.glob(".*")] == [".gitignore"]
    assert {path.stem for path in run.glob("*.json")} >= {"recipe", "boxes"}


def test_two_processes_learn_like_one(tmp_path: Path) -> None:
    """Losses of ATSS are divided by sums over all images of a step, whoever holds them; a feature that no loss needs is
    not built, as DDP would wait for its gradient."""
    data, log = write_objects(tmp_path / "data"), tmp_path / "log"
    arguments = ["train", "coco_mask_rcnn_swin_t_1x", "--detector", "atss", *ATSS_OBJECTS, "--data", str(data)]
    assert sessions.run([*arguments, "--run-dir", str(tmp_path / "one")], log) == 0, log.read_text()
    assert sessions.run_together([*arguments, "--run-dir", str(tmp_path / "two")], log) == 0, log.with_suffix(
        ".0"
    ).read_text()
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert two == pytest.approx(one, rel=1e-5) and len(one) == 4 and one[-1] < one[0]


@pytest.mark.parametrize("sharding", ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_two_processes_evaluate_like_one(sharding: str, tmp_path: Path) -> None:
    """The scores are those of the saved model, bit for bit, as detections are gathered before they are scored. Five
    validation images do not divide."""
    data, run, log = write_objects(tmp_path / "data"), tmp_path / "run", tmp_path / "log"
    arguments = ["train", "coco_mask_rcnn_swin_t_1x", *sessions.TINY_OBJECTS, "--data", str(data)]
    arguments += ["--sharding", sharding, "--run-dir", str(run)]
    assert sessions.run_together(arguments, log) == 0, log.with_suffix(".0").read_text()
    assert log.with_suffix(".1").read_text() == ""
    one = Processes(0, 1, torch.device("cpu"))
    detector = Detector.from_file(read_model_file(run / "last.safetensors"), device=one.device)
    validation = open_detection_data(data)[1]
    images = EvaluationImages(validation, detector.preprocessing, workers=0, processes=one)
    results = images.results(detector.model)
    last = metrics(run)[-1]
    for name, value in result_values(results).items():
        assert last[name] == value, name
    assert results.images == 5 and last["val/box_ap50"] > 0.2
    curve = losses(run)
    assert len(curve) == 32 and sum(curve[-4:]) / 4 < 0.7 * curve[0]
