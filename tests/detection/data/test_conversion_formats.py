"""What labelling tools write becomes COCO json with the same boxes and masks, and every file is used or named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from annotated_folders import (
    boxes_of,
    instance_map,
    save_mask,
    small_png,
    write_cvat,
    write_image,
    write_index_masks,
    write_instance_files,
    write_labelme,
    write_voc,
    write_yolo,
)

from swinkit.detection.data.conversion import BadFilesError, Findings, convert_detection_data, find_format
from swinkit.detection.data.sources import open_detection_data
from swinkit.errors import InputError

FORMATS: dict[str, tuple[str, Callable[[Path], Path], bool]] = {
    "voc": ("voc", write_voc, False),
    "index masks": ("instance_masks", write_index_masks, True),
    "folder an image": ("instance_files", write_instance_files, True),
    "folders of masks": ("instance_files", lambda root: write_instance_files(root, layout="folders of masks"), True),
    "numbered": ("instance_files", lambda root: write_instance_files(root, layout="numbered"), True),
    "cvat": ("cvat", write_cvat, False),
    "labelme": ("labelme", write_labelme, True),
    "yolo": ("yolo", write_yolo, False),
    "yolo polygons": ("yolo", lambda root: write_yolo(root, polygons=True), True),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_objects(tmp_path: Path, name: str) -> None:
    kind, write, has_masks = FORMATS[name]
    root = write(tmp_path / "in")
    assert find_format(root) == kind
    findings = Findings(root)
    (part,) = convert_detection_data(root, tmp_path / "out", findings=findings)
    assert (part.images, part.objects) == (6, 10) and findings.lines() == []
    train, val = open_detection_data(tmp_path / "out")
    assert train.has_masks is has_masks and len(train) + len(val) == 6
    for data in (train, val):
        for index in range(len(data)):
            number = int("".join(filter(str.isdigit, Path(data.sample_name(index)).stem)))
            truth = data[index][1]
            assert np.allclose(truth.boxes.tolist(), boxes_of(number), atol=1e-3)
            if has_masks:
                expected = instance_map(number)
                assert truth.masks is not None
                for value, mask in enumerate(truth.masks.numpy(), 1):
                    assert (mask == (expected == value)).mean() > 0.97


def bad(root: Path, **options: object) -> list[str]:
    with pytest.raises(BadFilesError) as caught:
        convert_detection_data(root, root / "out", **options)  # type: ignore[arg-type]
    assert not (root / "out").exists()
    return caught.value.sentences


def noted(root: Path) -> str:
    findings = Findings(root)
    convert_detection_data(root, root / "out", findings=findings)
    return "\n".join(findings.lines())


def content(root: Path, name: str = "objects") -> dict:
    return json.loads((root / "out" / "annotations" / f"{name}.json").read_text())


def test_cvat_shapes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", 0)
    write_image(tmp_path / "day" / "b.png", 1)
    write_image(tmp_path / "c.png", 2)
    lengths = "2,2,1,3"  # of 4 x 2 pixels: ..##.###
    (tmp_path / "job.xml").write_text(
        "<annotations><image id='0' name='a.png' subset='Train' width='48' height='40'>"
        "<box label='x' xtl='10' ytl='20' xbr='40' ybr='28' rotation='90'/>"
        "<polygon label='y' points='1,1;5,1;5,5' group_id='3'/>"
        "<polygon label='y' points='11,1;15,1;15,5' group_id='3'/>"
        f"<mask label='x' rle='{lengths}' left='3' top='4' width='4' height='2'/>"
        "<ellipse label='y' cx='20' cy='20' rx='5' ry='3'/><points label='x' points='1,1'/><tag label='x'/></image>"
        "<image id='1' name='b.png' subset='validation' width='48' height='40'>"
        "<box label='x' xtl='1' ytl='2' xbr='4' ybr='8'/></image></annotations>"
    )
    said = noted(tmp_path)
    assert "turned boxes, of which the extent was taken: 1" in said and "points, which has no area: 1" in said
    assert "tag, which has no area: 1" in said and "images that the xml does not name: 1 case (c.png)" in said
    train = content(tmp_path, "train")["annotations"]
    assert [each["bbox"] for each in train][:2] == [[21, 9, 8, 30], [4, 4, 3, 2]]
    assert train[1]["area"] == 5 and len(train[2]["segmentation"]) == 2 and train[2]["bbox"] == [1, 1, 14, 4]
    assert train[3]["bbox"] == pytest.approx([15, 17, 10, 6]) and train[3]["area"] == pytest.approx(47, abs=0.2)
    assert content(tmp_path, "val")["images"][0]["file_name"].endswith("day/b.png")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name="frame_2.png"', 'name="gone.png"', "names gone.png, but there is no such image"),
        ('width="48"', 'width="49"', "has 48 x 40 pixels .* says 49 x 40"),
        ('xtl="', 'xtl="9', "has a negative size"),
        ('ytl="', 'ytl="x', "has 'x.*' for ytl; a number is needed"),
        ('label="car"', 'label="bus"', "the class 'bus', which is not in the list"),
    ],
)
def test_broken_cvat(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = write_cvat(tmp_path) / "annotations.xml"
    path.write_text(path.read_text().replace(old, new))
    assert any(re.search(words, sentence) for sentence in bad(tmp_path))


def test_labelme_shapes(tmp_path: Path) -> None:
    root = write_labelme(tmp_path, 2)
    path = root / "photo0.json"
    told = json.loads(path.read_text())
    told["shapes"] = [
        {"label": "leaf", "points": [[30, 9], [4, 2]], "shape_type": "rectangle"},
        {"label": "leaf", "points": [[20, 20], [23, 24]], "shape_type": "circle"},
        {"label": "stem", "points": [[3, 4], [7, 6]], "shape_type": "mask", "mask": small_png(np.eye(2, 4) > 0)},
        {"label": "leaf", "points": [[1, 1], [5, 1], [5, 5]], "shape_type": "polygon", "group_id": 2},
        {"label": "leaf", "points": [[9, 1], [12, 1], [12, 5]], "group_id": 2},
        {"label": "leaf", "points": [[9, 1]], "shape_type": "point"},
        {"label": "__ignore__", "points": [[1, 1], [5, 1], [5, 5]]},
    ]
    told["imagePath"] = "C:\\photos\\other.png"
    path.write_text(json.dumps(told))
    write_image(root / "alone.png", 3)
    said = noted(root)
    for words in ("imagePath that names another image", "kind point", "no objects by their label", "without a json: 1"):
        assert words in said
    found = content(root)["annotations"]
    assert [each["bbox"] for each in found[:4]] == [[4, 2, 26, 7], [15, 15, 10, 10], [3, 4, 2, 2], [1, 1, 11, 4]]
    assert found[2]["area"] == 2 and len(found[3]["segmentation"]) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"imageWidth": 49}, "has 48 x 40 pixels .* says 49 x 40"),
        ({"shapes": {}}, "has no list of shapes"),
        ({"shapes": [{"label": "leaf", "points": [[1, "x"]]}]}, "no pairs of numbers"),
        ({"shapes": [{"points": []}]}, "has no label"),
        (
            {"shapes": [{"label": "leaf", "points": [[1, 1], [3, 3]], "shape_type": "mask", "mask": "?"}]},
            "cannot be read",
        ),
    ],
)
def test_broken_labelme(tmp_path: Path, change: dict, words: str) -> None:
    path = write_labelme(tmp_path) / "photo2.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    (sentence,) = bad(tmp_path)
    assert re.search(words, sentence) and "photo2" in sentence


def test_labelme_images_that_are_in_the_json_alone(tmp_path: Path) -> None:
    (write_labelme(tmp_path) / "photo2.png").unlink()
    assert "stored in the json (imageData) alone" in bad(tmp_path)[0]


def test_broken_instance_masks_are_all_listed(tmp_path: Path) -> None:
    root = write_index_masks(tmp_path)
    save_mask(root / "PedMasks" / "Ped1_mask.png", np.zeros((9, 9), dtype=np.uint8))
    (root / "PedMasks" / "Ped2_mask.png").write_bytes(b"no mask")
    save_mask(root / "PedMasks" / "Ped3_mask.png", np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8))
    (root / "PedMasks" / "Ped4_mask.png").rename(root / "PedMasks" / "Ped4_mask.jpg")
    sentences = "\n".join(bad(root))
    for words in ("9 x 9 pixels", "Ped2_mask.png is no mask", "in colours", "Ped4_mask.jpg is a JPEG"):
        assert words in sentences
    findings = Findings(root)
    (part,) = convert_detection_data(root, root / "out", skip_bad=True, findings=findings)
    assert part.images == 2 and "images without a mask: 1" in "\n".join(findings.lines())


def test_masks_of_classes_are_not_taken_for_instances(tmp_path: Path) -> None:
    root = write_index_masks(tmp_path)
    for number in range(6):
        values = ((instance_map(number) > 0) * 255).astype(np.uint8)
        values[-1, -1] = 255  # a second piece in every mask
        save_mask(root / "PedMasks" / f"Ped{number}_mask.png", values)
    with pytest.raises(InputError, match="one value beside 0, in several pieces"):
        convert_detection_data(root, tmp_path / "out")
    (root / "classes.txt").write_text("background\nperson\n")
    with pytest.raises(InputError, match="found no VOC xml"):
        find_format(root)


def test_instances_have_a_name_and_splits(tmp_path: Path) -> None:
    for split, first in (("Train", 0), ("Valid", 3)):
        for number in range(first, first + 3):
            write_image(tmp_path / split / "images" / f"{number}.png", number)
            save_mask(tmp_path / split / "masks" / f"{number}.png", instance_map(number))
    parts = convert_detection_data(tmp_path, tmp_path / "out", classes=["person"])
    assert [part.path.name for part in parts] == ["train.json", "val.json"]
    assert content(tmp_path, "val")["categories"] == [{"id": 1, "name": "person"}]
    with pytest.raises(InputError, match="give the name of one, not 2"):
        convert_detection_data(tmp_path, tmp_path / "other", classes=["a", "b"])
