"""Ten inputs of each kind of misreading, from a seed: each is read right, or said, or refused in a sentence."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from annotated_folders import boxes_of, instance_map, save_mask, write_image, write_labelme, write_voc, write_yolo
from coco_files import annotation, square, write_coco
from PIL import Image

from swinkit.classification.data import training_data as of_classes
from swinkit.cli import main
from swinkit.detection.data import training_data as of_objects
from swinkit.detection.data.coco import read_coco
from swinkit.detection.data.conversion import BadFilesError, Findings, convert_detection_data
from swinkit.detection.data.sources import open_detection_data
from swinkit.errors import InputError
from swinkit.images.listing import list_images
from swinkit.segmentation.data import training_data as of_masks
from swinkit.training.data.sampling import fitted_batch
from swinkit.training.schedules import fitted_to_run
from swinkit.training.settings import ScheduleSettings
from swinkit.weights.read import read_weights_file

SEEDS = range(10)
pytestmark = pytest.mark.parametrize("seed", SEEDS)


@pytest.fixture
def draw(seed: int) -> random.Random:
    return random.Random(seed)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What swinkit has logged."""
    caplog.set_level(logging.INFO, logger="swinkit")
    return lambda: caplog.text


def grey(path: Path, values: np.ndarray, mode: str) -> None:
    """A mask with these values in a file of this mode; 1-bit masks have 255 as 1."""
    image = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.uint8))
    if mode == "1":
        image = Image.fromarray(values > 0)
    if mode == "P":
        image.putpalette([number for colour in range(256) for number in (colour, 255 - colour, 7)])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def masks_of(root: Path, values: tuple[int, ...], mode: str, classes: list[str], count: int = 5) -> Path:
    for number in range(count):
        write_image(root / "images" / f"{number}.png", number)
        place = np.zeros((40, 48), dtype=np.int64)
        for index, (left, top, right, bottom) in enumerate(boxes_of(number)):
            place[top:bottom, left:right] = 1 + index % max(1, len(values) - 1)
        grey(root / "masks" / f"{number}.png", np.array(values)[place % len(values)], mode)
    (root / "classes.txt").write_text("\n".join(classes))
    return root


# 1. A meaningless score looks real.

MEANINGLESS: list[tuple[tuple[int, ...], str, list[str], str]] = [
    ((0, 255), "L", ["ground", "crack"], "no mask has the class crack, but 255, which is ignored, is in 5 of 5 masks"),
    ((0, 255), "P", ["ground", "crack"], "--mask-values 0 255"),
    ((0, 255), "I;16", ["ground", "crack"], "--mask-values 0 255"),
    ((0, 0), "L", ["ground", "crack"], "every labelled pixel"),
    ((0, 255), "1", ["crack"], "has the value 1, but 1 classes"),
    ((0, 255), "L", ["crack"], "there is one class, crack"),
    ((255, 255), "L", ["ground", "crack"], "no pixel of the masks"),
    ((0, 65535), "I;16", ["ground", "crack"], "has the value 65535"),
    ((1, 255), "L", ["ground", "crack"], "no mask has the class ground, but 255"),
    ((0, 1, 255), "L", ["ground", "crack", "hole"], "no mask has the class hole, but 255"),
]


def test_1_scores_that_would_mean_nothing(tmp_path: Path, seed: int) -> None:
    values, mode, classes, words = MEANINGLESS[seed]
    root = masks_of(tmp_path, values, mode, classes)
    try:
        text = "\n".join(of_masks.open_training_data(root)[1])
    except InputError as error:
        text = str(error)
    assert words in text


# 2. One shared judgement.


def broken(root: Path, seed: int) -> Path:
    kind = ("classes", "masks", "objects")[seed % 3]
    if kind == "classes":
        for name in ("cat", "dog"):
            for number in range(3):
                write_image(root / name / f"{number}.png", number)
        target = root / "cat" / "1.png"
        if seed == 0:
            target.write_bytes(b"no image")
        elif seed == 3:
            (root / "ape").mkdir()
        elif seed == 6:
            for number in range(3):
                (root / "dog" / f"{number}.png").unlink()
            (root / "dog").rmdir()
        else:
            target.write_bytes(b"")
    elif kind == "masks":
        masks_of(root, (0, 1), "L", ["ground", "crack"])
        if seed == 1:
            save_mask(root / "masks" / "2.png", np.full((40, 48), 7, dtype=np.uint8))
        elif seed == 4:
            (root / "masks" / "2.png").rename(root / "masks" / "2.jpg")
        else:
            (root / "classes.txt").write_text("ground")
    else:
        crowd = seed == 8
        marks = [annotation(n, [1, 1, 9, 9], image=n, iscrowd=int(crowd)) for n in range(1, 4)]
        path, images = write_coco(root, marks, count=3)
        if seed == 2:
            (images / "2.png").unlink()
        elif seed == 5:
            write_image(images / "2.png", 1)
            path.write_text(path.read_text().replace('"width": 40', '"width": 41', 1))
    return root


def test_2_what_stops_training_stops_the_check(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = broken(tmp_path / "data", seed)
    opens: list[Callable[[Path], object]] = [
        of_classes.open_training_data,
        of_masks.open_training_data,
        of_objects.open_training_data,
    ]
    with pytest.raises(InputError):
        opens[seed % 3](root)
    assert main(["check-data", str(root)]) == 2
    assert "swinkit: " in capsys.readouterr().err


# 3. Files seen = files used + files left out.

STRANGE = ("a.heic", "b.jp2", "noending", "c.dng", "notes.txt", "d.svg", "e.psd", "f.pdf", "g.raw", "h.docx")


def test_3_every_file_is_used_or_named(tmp_path: Path, draw: random.Random) -> None:
    for number in range(draw.randint(1, 4)):
        write_image(tmp_path / draw.choice(["", "sub", "sub/deep"]) / f"{number}.png", number)
    for name in draw.sample(STRANGE, draw.randint(2, 6)):
        (tmp_path / name).write_bytes(b"x")
    files = sum(path.is_file() for path in tmp_path.rglob("*"))
    for recursive in (True, False):
        listing = list_images(tmp_path, recursive=recursive)
        assert len(listing.images) + len(listing.left_out) == files
        assert {each.reason for each in listing.left_out} <= {
            "in sub-folders",
            "without an ending",
            "no images by their ending",
            "in a format that is not read (convert to JPEG or PNG)",
            "HEIC, which needs pillow-heif (pip install pillow-heif)",
        }


# 4. Two statements about one thing are compared.


def test_4_statements_that_disagree(tmp_path: Path, seed: int, draw: random.Random, said: Callable[[], str]) -> None:
    good = [annotation(n, [1, 1, 9, 9], image=n, segmentation=square(1, 1, 9)) for n in (1, 2)]
    if seed % 5 == 0:  # a mask elsewhere
        away = draw.randint(12, 20)
        read_coco(*write_coco(tmp_path, [*good, annotation(3, [1, 1, 9, 9], segmentation=square(away, away, 8))]))
        assert "lie in its box: the object is left out" in said()
    elif seed % 5 == 1:  # a turned box
        turned = draw.choice([30, 45.5, 90, "90.0", 180, 270])
        mark = annotation(3, [5, 10, 20, 6], attributes={"rotation": turned})
        data = read_coco(*write_coco(tmp_path, [annotation(1, [1, 1, 9, 9], image=2), mark]))
        left, top, right, bottom = data.instances(0).boxes[0].tolist()
        assert (left + right, top + bottom) == pytest.approx((30, 26), abs=0.01) and "is turned by" in said()
    elif seed % 5 == 2:  # one file under two ids
        images = [{"id": n, "file_name": name, "width": 40, "height": 30} for n, name in ((1, "1.png"), (2, "./1.png"))]
        images[1]["file_name"] = draw.choice(["1.png", "x\\1.png", "%31.png"])
        with pytest.raises(InputError, match=r"has the file .* of image 1, too|is missing"):
            read_coco(*write_coco(tmp_path, good, images=images))
    elif seed % 5 == 3:  # an xml of another image
        root = write_voc(tmp_path, 4)
        for path in (root / "annotations").iterdir():
            path.write_text(path.read_text().replace(f"{path.stem}.jpg", "raccoon-0.jpg"))
        findings = Findings(root)
        convert_detection_data(root, root / "out", findings=findings)
        images = json.loads((root / "out/annotations/objects.json").read_text())["images"]
        assert len({each["file_name"] for each in images}) == 4 and "own name, which was taken: 3" in str(
            findings.lines()
        )
    else:  # another size
        path, root = write_coco(tmp_path, good)
        path.write_text(path.read_text().replace('"width": 40', f'"width": {draw.randint(41, 99)}', 1))
        with pytest.raises(InputError, match="is of another size"):
            of_objects.open_training_data(path, image_root=root)


# 5. Split names.


def test_5_split_names(tmp_path: Path, draw: random.Random, seed: int) -> None:
    def spelled(*names: str) -> str:
        name = draw.choice(names)
        return draw.choice([name, name.upper(), name.capitalize()])

    train, val = spelled("train", "training"), spelled("val", "valid", "validation")
    if seed % 4 == 0:
        for split, count in ((train, 3), (val, 2)):
            for name in ("cat", "dog"):
                for number in range(count):
                    write_image(tmp_path / split / name / f"{number}.png", number)
        splits, _ = of_classes.open_training_data(tmp_path)
        assert [len(each) for each in splits] == [6, 4]
    elif seed % 4 == 1:
        for split, count in ((train, 3), (val, 2)):
            places = (
                [(split, "Images"), (split, "masks")] if draw.random() < 0.5 else [("images", split), ("Masks", split)]
            )
            for number in range(count):
                write_image(tmp_path.joinpath(*places[0]) / f"{number}.png", number)
                save_mask(tmp_path.joinpath(*places[1]) / f"{number}.png", instance_map(number))
        (tmp_path / "classes.txt").write_text("a\nb\nc")
        splits, _ = of_masks.open_training_data(tmp_path)
        assert [len(each) for each in splits] == [3, 2]
    elif seed % 4 == 2:
        for split, count in ((train, 3), (val, 2)):
            marks = [annotation(n, [1, 1, 9, 9], image=n) for n in range(1, count + 1)]
            write_coco(tmp_path, marks, count=count, name=f"Annotations/my_{split}.json", folder=f"images/my_{split}")
        assert [len(each) for each in open_detection_data(tmp_path)] == [3, 2]
    else:
        for split, count in ((train, 3), (val, 2)):
            for number in range(count):
                write_image(tmp_path / split / f"{number}.png", number)
                (tmp_path / split / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2")
        (tmp_path / "classes.txt").write_text("bee")
        convert_detection_data(tmp_path, tmp_path / "out")
        assert [len(each) for each in open_detection_data(tmp_path / "out")] == [3, 2]


# 6. Ids and names as tools write them.


def test_6_ids_and_names(tmp_path: Path, draw: random.Random) -> None:
    def one_of(number: int) -> Any:
        return draw.choice([number, str(number), float(number), f"{number}.0"])

    def name_of(number: int) -> str:
        plain = f"my photo {number}.png"
        known = [plain, f"images\\{plain}", f"..\\up\\{plain}", plain.replace(" ", "%20"), f"/srv/media/4/{plain}"]
        known += [f"C:\\data\\{plain}", f"https://host/x/{plain}?v=1", f"data/local-files/?d=a/{plain}", plain.upper()]
        return draw.choice(known)

    marks = [{**annotation(n, [1, 1, 9, 9]), "id": one_of(n), "image_id": one_of(n), "category_id": one_of(7)} for n in
             range(1, 5)]  # fmt: skip
    images = [{"id": one_of(n), "file_name": name_of(n), "width": 48, "height": 40} for n in range(1, 5)]
    categories = [{"id": one_of(0), "name": "cells", "supercategory": "none"}]
    categories += [{"id": one_of(7), "name": "cells", "supercategory": "cells"}]
    path, root = write_coco(tmp_path, marks, images=images, categories=categories, count=0)
    for number in range(1, 5):
        write_image(root / draw.choice(["", "deep"]) / f"my photo {number}.png", number)
    data = read_coco(path, root)
    assert data.classes == ("cells",) and data.object_counts.tolist() == [1, 1, 1, 1]
    assert [data.image_path(n).name for n in range(4)] == [f"my photo {n}.png" for n in range(1, 5)]


# 7. A message never says "absent" of what is there but passed over.

ENDINGS = ("_mask", "_label", "_labelIds", "_seg", "-mask", "_gt", "_masks", "_segmentation", "_L", "_MASK")


def test_7_masks_under_other_names(tmp_path: Path, seed: int) -> None:
    root = masks_of(tmp_path, (0, 1), "L", ["ground", "crack"])
    for path in sorted((root / "masks").iterdir()):
        path.rename(path.with_name(f"{path.stem}{ENDINGS[seed]}.png"))
    splits, lines = of_masks.open_training_data(root)
    assert sum(map(len, splits)) == 5 and lines == []
    for path in sorted((root / "masks").iterdir()):
        path.rename(path.with_suffix((".jpg", ".jpeg", ".webp", ".npy", ".JPG")[seed % 5]))
    with pytest.raises(InputError, match=r"\(and 4 more\) is .* save masks as PNG") as caught:
        of_masks.open_training_data(root)
    assert "has no mask" not in str(caught.value)


# 8. Converters list every bad file.


def test_8_every_bad_file_is_listed(tmp_path: Path, draw: random.Random, seed: int) -> None:
    write = (write_voc, write_yolo, write_labelme)[seed % 3]
    root = write(tmp_path, 6)
    ending = (".xml", ".txt", ".json")[seed % 3]
    files = sorted(path for path in root.rglob(f"*{ending}"))
    spoilt = draw.sample(files, draw.randint(1, 4))
    for path in spoilt:
        path.write_text(draw.choice(["<annotation><object>", "9 9 9 9 9"]) if ending != ".json" else '{"shapes": 3}')
    with pytest.raises(BadFilesError) as caught:
        convert_detection_data(root, root / "out")
    assert len(caught.value.sentences) == len(spoilt) and not (root / "out").exists()
    assert all(any(path.name in sentence for path in spoilt) for sentence in caught.value.sentences)
    (part,) = convert_detection_data(root, root / "out", skip_bad=True)
    assert part.images == 6 - len(spoilt)


# 9. Checkpoints with records beside the weights.


def test_9_records_beside_the_weights(tmp_path: Path, draw: random.Random) -> None:
    def record(depth: int) -> Any:
        made = draw.choice(["list", "dict", "array", "scalar", "set", "path", "tensor"])
        if depth == 0 or made == "scalar":
            return np.float32(draw.random())
        inner = [record(depth - 1) for _ in range(draw.randint(0, 3))]
        values = {"list": inner, "dict": dict(enumerate(inner)), "array": np.arange(5), "set": {1, 2}}
        return {**values, "path": Path("work"), "tensor": torch.ones(2)}[made]

    weights = {"a": torch.arange(3.0)}
    torch.save({"state_dict": weights, "message_hub": [record(3) for _ in range(4)]}, tmp_path / "m.pth")
    assert read_weights_file(tmp_path / "m.pth").tensors.keys() == {"a"}


# 10. Short runs are scaled.


def test_10_short_runs(draw: random.Random, said: Callable[[], str]) -> None:
    total, each = draw.randint(5, 90), draw.randint(1, 40)
    settings = ScheduleSettings(decay="step", milestones=(8, 11), warmup_steps=draw.randint(100, 2000))
    fitted, lines = fitted_to_run(settings, epoch_steps=each, total_steps=total)
    assert fitted.warmup_steps is not None and fitted.warmup_steps <= total / 10 and "would fill a run" in lines[0]
    assert max(fitted.milestones) < total / each or len(lines) == 1
    images = draw.randint(4, 20)
    assert fitted_batch(64, images, shares=4) == images // 4 * 4 and f"training set of {images} images" in said()
