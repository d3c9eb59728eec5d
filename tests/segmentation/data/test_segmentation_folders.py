"""Images and masks in folders: every layout, the same held-out images every time, and errors that name files."""

import re
from pathlib import Path

import numpy as np
import pytest
from mask_folders import CLASSES, sample, write_masks, write_pair
from PIL import Image
from shared_files import shared_path

from swinkit.errors import InputError
from swinkit.images.masks import MaskError
from swinkit.segmentation.data.folders import (
    find_splits,
    hold_out,
    match_pairs,
    open_segmentation_folder,
    open_validation_split,
    read_classes,
)

LAYOUTS = {
    "ade20k": ("images/training", "annotations/training", "images/validation", "annotations/validation"),
    "mmsegmentation": ("img_dir/train", "ann_dir/train", "img_dir/val", "ann_dir/val"),
    "camvid": ("images/train", "annotations/train", "images/val", "annotations/val"),
    "parts first": ("train/images", "train/masks", "valid/images", "valid/masks"),
    "labels": ("train/imgs", "train/labels", "val/imgs", "val/labels"),
}


def write_text(root: Path, name: str, text: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return root / name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_with_a_validation_split(tmp_path, layout):
    train_images, train_masks, val_images, val_masks = LAYOUTS[layout]
    for number in range(3):
        write_pair(tmp_path, train_images, train_masks, f"t{number}", number)
    write_pair(tmp_path, val_images, val_masks, "v", 9)
    write_text(tmp_path, "classes.txt", "\n".join(CLASSES))
    train, val = open_segmentation_folder(tmp_path)
    assert (len(train), len(val)) == (3, 1) and train.classes == val.classes == CLASSES
    for data, index, number in ((train, 1, 1), (val, 0, 9)):
        image, labels = data[index]
        expected, truth = sample(number)
        assert np.array_equal(np.asarray(image), np.asarray(expected)) and np.array_equal(labels, truth)
    assert train.sample_name(1) == str(tmp_path / train_images / "t1.png")
    part = open_validation_split(
        tmp_path, classes=CLASSES, reduce_zero_label=False, validation_fraction=0.2, whole=False
    )
    assert [part.sample_name(0)] == [val.sample_name(0)]


def names(data) -> list[str]:
    return [Path(data.sample_name(index)).name for index in range(len(data))]


def test_without_one_the_same_images_are_held_out_every_time(tmp_path):
    for copy in ("one", "two"):
        write_masks(tmp_path / copy, train=20, val=0)
    train, val = open_segmentation_folder(tmp_path / "one", validation_fraction=0.25)
    assert (len(train), len(val)) == (15, 5)
    assert sorted(names(train) + names(val)) == [f"train{number:02d}.png" for number in range(20)]
    again = open_segmentation_folder(tmp_path / "two", validation_fraction=0.25)
    assert (names(train), names(val)) == (names(again[0]), names(again[1]))
    assert names(val) != [f"train{number:02d}.png" for number in range(5)]
    settings = {"classes": CLASSES, "reduce_zero_label": False, "validation_fraction": 0.25}
    assert names(open_validation_split(tmp_path / "one", **settings, whole=False)) == names(val)
    assert len(open_validation_split(tmp_path / "one", **settings, whole=True)) == 20


def test_a_single_image_cannot_be_divided(tmp_path):
    write_masks(tmp_path, train=1, val=0)
    with pytest.raises(InputError, match="holds a single image with a mask"):
        open_segmentation_folder(tmp_path)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_a_fraction_out_of_range(tmp_path, fraction):
    data = open_segmentation_folder(write_masks(tmp_path))[0]
    with pytest.raises(InputError, match="validation fraction"):
        hold_out(data, fraction)


def test_names_may_have_folders_dots_and_other_endings(tmp_path):
    root = write_masks(tmp_path)
    image, labels = sample(50)
    for name in ("berlin/frame.0001", "berlin/frame.0002", "paris/frame.0001"):
        for kind, ending, picture in (("images", "JPG", image), ("masks", "TIF", Image.fromarray(labels))):
            path = root / kind / "train" / f"{name}.{ending}"
            path.parent.mkdir(exist_ok=True)
            picture.save(path)
    train, _ = open_segmentation_folder(root)
    assert len(train) == 15
    pairs = [(train.image_path(index).name, train.mask_path(index).name) for index in range(3)]
    assert pairs == [(f"frame.000{n}.JPG", f"frame.000{n}.TIF") for n in (1, 2, 1)]
    assert np.array_equal(train[0][1], labels)


def test_hidden_and_other_files_are_passed_over(tmp_path):
    root = write_masks(tmp_path)
    for name in ("._train00.png", ".DS_Store", "notes.txt", "Thumbs.db", ".cache/x.png"):
        for kind in ("images", "masks"):
            path = root / kind / "train" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"no image")
    (root / "masks" / "train" / "train00.json").write_text("{}")
    train, _ = open_segmentation_folder(root)
    assert len(train) == 12


def test_pairs_tell_what_does_not_match(tmp_path):
    root = write_masks(tmp_path)
    (root / "masks/train/train03.png").unlink()
    (root / "images/train/train05.png").unlink()
    Image.new("RGB", (48, 40)).save(root / "images/train/train07.jpg")
    Image.new("L", (48, 40)).save(root / "masks/train/train08.bmp")
    pairs = match_pairs(root, Path("images/train"), Path("masks/train"))
    assert len(pairs.images) == len(pairs.masks) == 10
    assert pairs.images_alone == ("images/train/train03.png",)
    assert pairs.masks_alone == ("masks/train/train05.png",)
    assert pairs.duplicates == (
        ("images/train/train07.jpg", "images/train/train07.png"),
        ("masks/train/train08.bmp", "masks/train/train08.png"),
    )


def refused(root: Path, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        open_segmentation_folder(root, **options)
    return str(caught.value)


def test_an_image_without_mask(tmp_path):
    root = write_masks(tmp_path)
    (root / "masks/train/train03.png").unlink()
    assert refused(root).startswith("the image images/train/train03.png has no mask of the same name; add the mask")
    (root / "masks/train/train04.png").unlink()
    assert "images/train/train03.png (and 1 more) has no mask" in refused(root)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_two_files_of_one_name(tmp_path, kind):
    root = write_masks(tmp_path)
    Image.new("L", (48, 40)).save(root / kind / "train/train07.bmp")
    assert f"{kind}/train/train07.bmp and {kind}/train/train07.png in" in refused(root)
    assert "have the same name" in refused(root)


def test_no_layout(tmp_path):
    assert "does not exist or is no folder" in refused(tmp_path / "missing")
    write_text(tmp_path, "classes.txt", "a\nb")
    (tmp_path / "images").mkdir()
    assert "found no images with masks in" in refused(tmp_path)
    assert "annotations/" in refused(tmp_path) and "training/" in refused(tmp_path)
    (tmp_path / "masks").mkdir()
    assert "holds no image with a mask of the same name" in refused(tmp_path)


def test_masks_to_validate_on_alone(tmp_path):
    root = write_masks(tmp_path)
    for kind in ("images", "masks"):
        (root / kind / "train").rename(root / f"other_{kind}")
    assert "has masks to validate on, but none to train on" in refused(root)
    part = open_validation_split(root, classes=CLASSES, reduce_zero_label=False, validation_fraction=0.2, whole=False)
    assert len(part) == 4


def test_splits_come_before_undivided_folders(tmp_path):
    root = write_masks(tmp_path)
    assert find_splits(root) == {
        "train": (Path("images/train"), Path("masks/train")),
        "val": (Path("images/val"), Path("masks/val")),
    }
    assert find_splits(write_masks(tmp_path / "plain", val=0)) == {"train": (Path("images"), Path("masks"))}


@pytest.mark.parametrize(
    "text",
    ["sky\nroad\n", "sky\r\nroad\r\n", "\ufeffsky\nroad", "  sky \n\nroad\n\n"],
    ids=["lf", "crlf", "bom", "gaps"],
)
def test_class_files(tmp_path, text):
    path = write_text(tmp_path, "classes.txt", text)
    assert read_classes(None, tmp_path) == ("sky", "road")
    path.rename(tmp_path / "names.txt")
    assert read_classes(tmp_path / "names.txt", tmp_path) == ("sky", "road")
    names = ("traffic light", "ébène; door", "猫", *map(str, range(252)))  # as many as there can be
    write_text(tmp_path, "classes.txt", "\n".join(names))
    assert read_classes(None, tmp_path) == names


ADE = (
    "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.1576\t11664\t1172\t1\twall\n2\t0.1072\t6046\t612\t1\tbuilding, edifice\n"
)


def test_ades_own_list(tmp_path):
    write_text(tmp_path, "objectInfo150.txt", ADE)
    assert read_classes(None, tmp_path) == ("wall", "building, edifice")
    write_text(tmp_path, "classes.txt", "one\ntwo")
    assert read_classes(None, tmp_path) == ("one", "two")
    assert read_classes(tmp_path / "objectInfo150.txt", tmp_path) == ("wall", "building, edifice")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no class"),
        ("\n \n", "names no class"),
        ("sky\nroad\nsky\n", "names the class 'sky' twice"),
        ("\n".join(map(str, range(256))), "names 256 classes, but masks have room for 255"),
    ],
)
def test_class_files_that_cannot_be_used(tmp_path, text, words):
    path = write_text(tmp_path, "classes.txt", text)
    with pytest.raises(InputError, match=words) as caught:
        read_classes(None, tmp_path)
    assert str(caught.value).startswith(str(path))


def test_class_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"has no classes\.txt; write the class names into it"):
        read_classes(None, tmp_path)
    with pytest.raises(InputError, match=re.escape(f"cannot read {tmp_path / 'no.txt'}")):
        read_classes(tmp_path / "no.txt", tmp_path)


def test_a_sample_that_cannot_be_used_names_its_mask(tmp_path):
    root = write_masks(tmp_path)
    train, _ = open_segmentation_folder(root)
    mask = root / "masks/train/train00.png"
    Image.new("L", (40, 48)).save(mask)
    with pytest.raises(MaskError, match=r"train00\.png has 48 x 40 pixels, its image 40 x 48"):
        train[0]
    Image.new("L", (48, 40), 3).save(mask)
    with pytest.raises(MaskError, match=re.escape(f"the mask {mask} has the value 3, but 3 classes")):
        train[0]


def test_a_mask_fits_the_image_as_a_viewer_shows_it(tmp_path):
    root = write_masks(tmp_path)
    turned = Image.Exif()
    turned[0x0112] = 6
    image, labels = sample(70, height=48, width=40)
    image.rotate(90, expand=True).save(root / "images/train/train00.png", exif=turned)
    Image.fromarray(labels).save(root / "masks/train/train00.png")
    shown, truth = open_segmentation_folder(root)[0][0]
    assert np.array_equal(np.asarray(shown), np.asarray(image)) and np.array_equal(truth, labels)


def test_the_ade20k_samples_have_the_official_layout():
    root = shared_path("data/ade20k_sample")
    classes = read_classes(None, root)
    assert len(classes) == 150 and classes[:3] == ("wall", "building", "sky")
    data = open_validation_split(root, classes=classes, reduce_zero_label=True, validation_fraction=0.2, whole=False)
    assert [Path(data.sample_name(index)).stem for index in range(3)] == [f"ADE_val_0000000{n}" for n in (1, 2, 3)]
    for index in range(3):
        with Image.open(data.mask_path(index)) as file:
            raw = np.bincount(np.asarray(file).ravel(), minlength=256)
        counts = np.bincount(data.labels(index).ravel(), minlength=256)
        assert raw[0] > 0 and counts[255] == raw[0] + raw[255]
        assert np.array_equal(counts[:150], raw[1:151]) and not counts[150:255].any()
    numbers, counts = np.unique(data.labels(0), return_counts=True)
    known = {0: 14538, 1: 123406, 2: 134492, 4: 8784, 6: 1755, 9: 53099, 17: 10009, 255: 3613}
    assert dict(zip(numbers.tolist(), counts.tolist(), strict=True)) == known
