"""Files for COCO's servers: named, zipped and filled as these want, and the same after a kill."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sessions
import torch
from object_folders import scene
from pycocotools import mask as coco_masks

from swinkit.backbone.swin import SwinConfig
from swinkit.cli import main
from swinkit.detection.data.augmentation import DetectionResize
from swinkit.detection.data.coco import CocoData, read_coco
from swinkit.detection.data.sources import open_detection_evaluation
from swinkit.detection.mask_rcnn import MaskRCNN
from swinkit.detection.predictor import Detector, describe_detector
from swinkit.detection.rpn import ProposalConfig, RPNConfig
from swinkit.detection.submission import UNFINISHED, fingerprint, write_submission
from swinkit.errors import InputError
from swinkit.structures import ONE_VIEW
from swinkit.weights.model_file import write_description
from swinkit.weights.save import save_weights

COUNT = 24
NAME = "detections_test-dev2017_net_results"


def write_test_images(root: Path, **more: Any) -> Path:
    """root/annotations/image_info_test-dev2017.json, and root/test2017, whose ids do not ascend; a photo too many."""
    (root / "test2017").mkdir(parents=True)
    images = []
    for number in range(COUNT + 1):
        image = scene(number, height=40, width=48)[0]
        image.save(root / "test2017" / f"{number:012d}.jpg")
        if number < COUNT:
            entry = {"id": (number * 7) % COUNT + 3, "file_name": f"{number:012d}.jpg", "width": 48, "height": 40}
            images.append(entry)
    (root / "annotations").mkdir()
    path = root / "annotations" / "image_info_test-dev2017.json"
    categories = [{"id": 7, "name": "blue"}, {"id": 3, "name": "red"}]
    path.write_text(json.dumps({"info": {}, "images": images, "categories": categories} | more))
    return path


def detector(*, seed: int = 0, masks: bool = True) -> Detector:
    torch.manual_seed(seed)
    backbone = SwinConfig(embed_dim=16, depths=(1, 1), num_heads=(1, 2), window_size=4, image_size=(32, 32))
    few = ProposalConfig(pre_nms=40, post_nms=20)
    config = MaskRCNN(
        channels=16, fc_channels=32, mask_convs=1, masks=masks, rpn=RPNConfig(scales=(4.0,), inference=few)
    )
    model = config.build(backbone.build(), 2).eval()
    resize = DetectionResize(40, 64)
    return Detector(model, ("red", "blue"), resize, describe_detector(model, ("red", "blue"), resize))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_test_images(tmp_path_factory.mktemp("coco"))


def rows(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_files_that_servers_want(path: Path, tmp_path: Path) -> None:
    net = detector()
    data = open_detection_evaluation(path, classes=net.classes)
    written = write_submission(net, data, tmp_path, name="net")
    assert [str(file.relative_to(tmp_path)) for file in written.files] == [
        f"{kind}/{NAME}.{ending}" for kind in ("boxes", "masks") for ending in ("json", "zip")
    ]
    boxes, masks = (rows(tmp_path / kind / f"{NAME}.json") for kind in ("boxes", "masks"))
    assert len(boxes) == len(masks) == written.detections > COUNT and written.images == COUNT
    assert all(set(row) == {"image_id", "category_id", "bbox", "score"} for row in boxes)
    assert all(set(row) == {"image_id", "category_id", "segmentation", "score"} for row in masks)
    ids = [row["image_id"] for row in boxes]
    assert ids == sorted(ids) and set(ids) <= set(data.image_ids)
    for kind in ("boxes", "masks"):
        with zipfile.ZipFile(tmp_path / kind / f"{NAME}.zip") as archive:
            assert archive.namelist() == [f"{NAME}.json"]
            assert archive.read(f"{NAME}.json") == (tmp_path / kind / f"{NAME}.json").read_bytes()
    index = data.image_ids.index(ids[0])
    found = net.predict(path.parents[1] / "test2017" / data.file_name(index))
    first = [row for row in boxes if row["image_id"] == ids[0]]
    assert np.allclose([row["score"] for row in first], found.scores, atol=6e-6)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    assert np.allclose([row["bbox"] for row in first], torch.cat([found.boxes[:, :2], sides], 1), atol=6e-3)
    assert [row["category_id"] for row in first] == [{"red": 3, "blue": 7}[name] for name in found.names]
    shown = coco_masks.decode([row["segmentation"] for row in masks if row["image_id"] == ids[0]])
    assert np.array_equal(shown.transpose(2, 0, 1).astype(bool), np.asarray(found.masks))


def test_boxes_alone(path: Path, tmp_path: Path) -> None:
    net = detector(masks=False)
    written = write_submission(net, open_detection_evaluation(path, classes=net.classes), tmp_path, name="a b/c")
    assert {file.parent.name for file in written.files} == {"boxes"}
    assert written.files[0].name == "detections_test-dev2017_a-b-c_results.json"


class Stop(Exception):
    pass


@pytest.mark.parametrize("torn", [b"", b'{"image_id": 5, "fou'])
def test_finished_images_are_kept(path: Path, tmp_path: Path, torn: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    net = detector()
    data = open_detection_evaluation(path, classes=net.classes)
    write_submission(net, data, tmp_path / "whole", name="net")

    def stop_after(done: int) -> None:
        if done == 10:
            raise Stop

    with pytest.raises(Stop):
        write_submission(net, data, tmp_path / "parts", name="net", step=stop_after)
    assert list(files_of(tmp_path / "parts")) == [UNFINISHED]
    with (tmp_path / "parts" / UNFINISHED).open("ab") as file:
        file.write(torn)
    seen: list[int] = []
    shown = data.__class__.read_image
    monkeypatch.setattr(data.__class__, "read_image", lambda self, index: seen.append(index) or shown(self, index))
    write_submission(net, data, tmp_path / "parts", name="net")
    assert len(seen) == COUNT - 10 and files_of(tmp_path / "parts") == files_of(tmp_path / "whole")


def test_work_of_another_model_or_of_other_images_is_not_mixed_in(path: Path, tmp_path: Path) -> None:
    net = detector()
    data = open_detection_evaluation(path, classes=net.classes)

    def stop(done: int) -> None:
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        write_submission(net, data, tmp_path, name="net", step=stop)
    before = files_of(tmp_path)
    for other, images in ((detector(seed=1), data), (net, data.subset(range(8)))):
        with pytest.raises(InputError, match=r"unfinished.jsonl holds detections of another model or of other images"):
            write_submission(other, images, tmp_path, name="net")
    assert files_of(tmp_path) == before


def test_a_damaged_line_is_told(path: Path, tmp_path: Path) -> None:
    net = detector()
    data = open_detection_evaluation(path, classes=net.classes)
    assert isinstance(data, CocoData)
    tmp_path.joinpath(UNFINISHED).write_text(f'{fingerprint(net, data, ONE_VIEW)}\n{{"image_id": 3, "found": 7}}\n')
    with pytest.raises(InputError, match=r"unfinished\.jsonl is damaged .*remove it to begin anew"):
        write_submission(net, data, tmp_path, name="net")


def test_the_command_says_that_there_is_no_score(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "net.safetensors")
    arguments = ["evaluate", "net.safetensors", "--data", str(path), "--device", "cpu", "--workers", "0"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert f"no score: {path} has no annotations" in text and f"evaluation/net/boxes/{NAME}.zip" in text
    assert main([*arguments, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["boxes"] is None and plain["images"] == COUNT and len(plain["files"]) == 4


def saved(path: Path) -> Path:
    net = detector()
    return save_weights(path, net.model.state_dict(), write_description(net.description))


def test_a_killed_evaluation_goes_on_and_ends_the_same(path: Path, tmp_path: Path) -> None:
    saved(tmp_path / "net.safetensors")
    command = ["evaluate", str(tmp_path / "net.safetensors"), "--data", str(path), "--device", "cpu", "--workers", "0"]
    assert sessions.run([*command, "--out", str(tmp_path / "whole")], tmp_path / "log") == 0
    process = sessions.start([*command, "--out", str(tmp_path / "killed")], tmp_path / "log")
    journal = tmp_path / "killed" / UNFINISHED
    while process.is_alive() and not (journal.exists() and journal.read_bytes().count(b"\n") >= COUNT // 2):
        time.sleep(0.002)
    process.kill()
    process.join()
    assert journal.exists(), "it was too fast to be killed"
    assert sessions.run([*command, "--out", str(tmp_path / "killed")], tmp_path / "log") == 0
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def test_nothing_can_be_learned_from_images_alone(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"has no annotations, .* no objects to learn; .* for swinkit evaluate"):
        read_coco(path, path.parents[1] / "test2017")
    assert main(["check-data", str(path), "--out", str(tmp_path)]) == 0
    assert "no annotations: images for swinkit evaluate and predict" in capsys.readouterr().out
    assert main(["train", "finetune_detection", "--data", str(path), "--device", "cpu"]) == 2


def test_what_a_server_could_not_read_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no category 'green', which the model finds"):
        open_detection_evaluation(path, classes=("red", "green"))
    missing = write_test_images(tmp_path / "missing")
    (tmp_path / "missing/test2017/000000000005.jpg").unlink()
    with pytest.raises(InputError, match=r"is missing: there is no file .*000000000005.jpg"):
        open_detection_evaluation(missing, classes=("red", "blue"))
